"""The CustomResourceDefinitions as the files that `kubectl apply` takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from holdfast.contract.api_group import GROUP
from holdfast.contract.crd import DEFINITIONS, Definition
from holdfast.contract.yaml_text import write_documents

_HEAD = "# Generated from runner/holdfast/contract/resources/ by `make generate`: do not edit.\n"


def crd_yaml(definition: Definition) -> str:
    """Return one CustomResourceDefinition as YAML."""
    return _HEAD + write_documents([definition.to_json()])


def crd_files() -> dict[str, Callable[[], str]]:
    """Return the path of each file in `crds/` with the function that writes it."""
    return {f"crds/{GROUP}_{definition.plural}.yaml": partial(crd_yaml, definition) for definition in DEFINITIONS}
