"""Which kinds the API server knows, by its own discovery: kopf asks it once, and never watches what it does not list.

Definitions that were just applied, or an API server that just started, are listed a moment after they are served.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from holdfast_operator.kinds import Kind
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import KubeError, NotFound

_logger = logging.getLogger("holdfast.operator")

LOOK_SECONDS = 1.0


async def wait_until_listed(kube: Kube, kinds: Collection[Kind], tell: Callable[[str], None]) -> None:
    """Wait until the API server lists all of the kinds.

    Args:
        kube: asks.
        kinds: what to wait for.
        tell: called with a sentence whenever there is another reason to wait.
    """
    told = ""
    while reason := await _reason_to_wait(kube, kinds):
        if reason != told:
            told = reason
            _logger.warning("%s", reason)
            tell(reason)
        await asyncio.sleep(LOOK_SECONDS)


async def _reason_to_wait(kube: Kube, kinds: Collection[Kind]) -> str:
    try:
        missing = await missing_kinds(kube, kinds)
    except KubeError as error:
        return f"the API server does not say what it serves: {error.message}"
    if not missing:
        return ""
    names = ", ".join(f"{kind.plural}.{kind.group or kind.version}" for kind in missing)
    return f"the API server does not list {names} yet; are the definitions of Holdfast installed (crds/)?"


async def missing_kinds(kube: Kube, kinds: Collection[Kind]) -> list[Kind]:
    """Those of the kinds that the API server does not list.

    Raises:
        KubeError: it does not answer.
    """
    groups = {group["name"] for group in (await kube.read("/apis"))["groups"]}
    paths = {kind.version_path for kind in kinds if not kind.group or kind.group in groups}
    listed = {(path, plural) for path in paths for plural in await _plurals(kube, path)}
    return [kind for kind in kinds if (kind.version_path, kind.plural) not in listed]


async def _plurals(kube: Kube, path: str) -> set[str]:
    try:
        return {resource["name"] for resource in (await kube.read(path))["resources"]}
    except NotFound:
        return set()
