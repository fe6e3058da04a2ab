"""kubectl, as tests call it."""

from __future__ import annotations

import asyncio
import codecs
import json
import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.cluster.rig.directory import program
from tests.cluster.rig.errors import RigError

Object = Mapping[str, Any]


class KubectlFailed(RigError):
    """kubectl answered with an error; the message is what it wrote."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl as one user, and in one namespace if one is given."""

    kubeconfig: Path
    namespace: str | None = None

    def within(self, namespace: str) -> Kubectl:
        """The same user, in that namespace."""
        return replace(self, namespace=namespace)

    async def __call__(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl to its end and return what it printed.

        Raises:
            KubectlFailed: It ended with an error.
        """
        return await asyncio.to_thread(self.run, *words, stdin=stdin)

    def run(self, *words: str, stdin: str | None = None) -> str:
        """The same, for code that is not asynchronous."""
        ended = subprocess.run([*self._command, *words], input=stdin, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise KubectlFailed(f"kubectl {' '.join(words)}: {ended.stderr.strip() or ended.stdout.strip()}")
        return ended.stdout

    async def apply(self, *objects: Object | str) -> str:
        """Apply objects, each as parsed or as YAML."""
        texts = [value if isinstance(value, str) else json.dumps(value) for value in objects]
        return await self("apply", "-f", "-", stdin="\n---\n".join(texts))

    async def get(self, kind: str, name: str) -> Object:
        """One object, as parsed JSON."""
        found: Object = json.loads(await self("get", kind, name, "-o", "json"))
        return found

    async def list_all(self, kind: str, *words: str) -> list[Object]:
        """All objects of a kind; `words` are further options, such as `-l app=x` or `--all-namespaces`."""
        found: list[Object] = json.loads(await self("get", kind, *words, "-o", "json"))["items"]
        return found

    async def until(self, kind: str, name: str, is_so: Callable[[Object], bool], timeout_seconds: float = 60) -> Object:
        """Watch the object until `is_so` is true of it, from its present state on; it need not exist yet.

        Raises:
            TimeoutError: It was not so in time; the message shows the last state seen.
        """
        last: Object | None = None
        try:
            async with asyncio.timeout(timeout_seconds), aclosing(self.watch(kind, name)) as changes:
                async for happened, seen in changes:
                    last = seen
                    if happened != "DELETED" and is_so(seen):
                        return seen
        except TimeoutError:
            shown = json.dumps(last and last.get("status"), indent=1)
            raise TimeoutError(f"{kind}/{name} did not become so in {timeout_seconds:.0f} s; status: {shown}") from None
        raise KubectlFailed(f"the watch of {kind}/{name} ended")

    async def until_gone(self, kind: str, name: str, timeout_seconds: float = 60) -> None:
        """Wait until there is no such object."""
        await self("wait", "--for=delete", f"{kind}/{name}", f"--timeout={timeout_seconds:.0f}s")

    async def watch(self, kind: str, name: str | None = None) -> AsyncGenerator[tuple[str, Object], None]:
        """Every change: what happened (`ADDED`, `MODIFIED`, `DELETED`) and the object; first what is there."""
        selection = ["--field-selector", f"metadata.name={name}"] if name else []
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *("get", kind, *selection, "--watch", "--output-watch-events", "-o", "json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            decoder, text = json.JSONDecoder(), ""
            characters = codecs.getincrementaldecoder("utf-8")()  # a piece may end in the middle of one
            while piece := await process.stdout.read(1 << 16):
                text = (text + characters.decode(piece)).lstrip()
                while text:
                    try:
                        event, end = decoder.raw_decode(text)
                    except json.JSONDecodeError:
                        break
                    text = text[end:].lstrip()
                    yield event["type"], event["object"]
            raise KubectlFailed(f"kubectl get {kind} --watch: {(await process.stderr.read()).decode().strip()}")
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    @property
    def _command(self) -> list[str]:
        scope = ["--namespace", self.namespace] if self.namespace else []
        return [str(program("kubectl")), "--kubeconfig", str(self.kubeconfig), *scope]
