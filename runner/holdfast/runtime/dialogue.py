"""What an attempt asks of the database while the author's code runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdfast.domain.scopes import StepKey
from holdfast.protocol.client import AttemptClient
from holdfast.runtime.patience import Patience
from holdfast.sdk.journal import strand_variable

T = TypeVar("T")

_strand = strand_variable()


class Dialogue:
    """Asks, and waits for the answer also while the database is away."""

    def __init__(self, client: AttemptClient, patience: Patience) -> None:
        self._client = client
        self._patience = patience

    async def ask(self, call: Callable[[AttemptClient], Awaitable[T]]) -> T:
        """Return the answer to ``call``.

        Raises:
            DatabaseUnreachable: the database stayed away for too long.
            AttemptFenced: a newer attempt owns the run.
            ControlError: the database refuses it.
        """
        # what the driver does for it, such as opening a connection, must not take numbers of the author's branch
        token = _strand.set(None)
        try:
            return await self._patience.persist(lambda: call(self._client))
        finally:
            _strand.reset(token)

    async def fetch(self, key: StepKey) -> str | None:
        """Return a value that did not come with the opening."""
        return (await self.ask(lambda client: client.fetch([key]))).get(key)
