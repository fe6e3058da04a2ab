"""Steps of ours whose bodies speak with the outside of the run: one body, awaited or blocking."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from holdfast.domain.retry import NO_RETRY
from holdfast.sdk.codec import Codec
from holdfast.sdk.journal import Strand, require_strand
from holdfast.sdk.step import Step

P = ParamSpec("P")
R = TypeVar("R")


class OutsideStep(Generic[P, R]):
    """A recorded operation, whose identity is its place as for any step.

    Args:
        name: part of its identity; what an author calls it.
        kind: how its records are shown: ``token``, ``child``, ``signal`` or ``event``.
        codec: how its results become text.
        body: what it does; gets the strand whose branch is the operation's own.
    """

    def __init__(
        self, name: str, kind: str, codec: Codec[R], body: Callable[Concatenate[Strand, P], Coroutine[Any, Any, R]]
    ) -> None:
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> R:
            return await body(require_strand(f"{name}()"), *args, **kwargs)

        def blocking(*args: P.args, **kwargs: P.kwargs) -> R:
            strand = require_strand(f"{name}.blocking()")
            return strand.journal.outside.block(body(strand, *args, **kwargs))

        self._awaited = _step(awaited, name, kind, codec)
        self._blocking = _step(blocking, name, kind, codec)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the recorded result, or do it and have it recorded."""
        return await self._awaited(*args, **kwargs)  # type: ignore[no-any-return]  # R, by the body

    def blocking(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same in a ``def`` task, whose thread it blocks."""
        return self._blocking(*args, **kwargs)  # type: ignore[no-any-return]  # R, by the body


def _step(function: Any, name: str, kind: str, codec: Codec[Any]) -> Step[..., Any]:
    return Step(function, name=name, retry=NO_RETRY, timeout_seconds=None, key=None, codec=codec, kind=kind)
