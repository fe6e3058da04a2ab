"""Messages from outside: signals to one run, and events for all runs of the namespace that wait for them."""

from __future__ import annotations

import json
from uuid import UUID

from holdfast.domain.errors import InputError, NotFoundError
from holdfast_engine.control.following import Following
from holdfast_engine.control.views import EventView


class Messages(Following):
    """Sends signals and publishes events."""

    async def send_signal(self, run: str | UUID, name: str, value: str = "null") -> UUID:
        """Send a signal to a run, with a value that is JSON text, and return the signal's id. It is kept until the run
        takes it.

        Raises:
            InputError: the value is no JSON.
            NotFoundError: there is no such run.
            WrongStateError: the run has ended.
            LimitError: the name or the value is too large, or as many signals as may wait for the run do.
        """
        _check_json(value)
        rows = await self._rows("send_signal", self.namespace, await self.find(run), name, value)
        if not rows:
            raise NotFoundError(f"No run {run} in namespace {self.namespace!r}. See: holdfast runs list")
        return UUID(bytes=rows[0]["id"].bytes)

    async def publish_event(self, name: str, value: str = "null", key: str | None = None) -> EventView:
        """Publish an event to the runs of the namespace, with a value that is JSON text.

        Args:
            name: of the event.
            value: JSON text.
            key: one event per key and name; the same value again changes nothing. Default: none.

        Raises:
            InputError: the value is no JSON.
            ConflictError: the key has another value, which stands.
            LimitError: the name, the key or the value is too large.
        """
        _check_json(value)
        row = await self._row("publish_event", self.namespace, name, value, key)
        return EventView.from_row(await self._row("read_event", self.namespace, row["id"]))

    async def events(self, name: str | None = None, *, limit: int = 50) -> list[EventView]:
        """Published events, newest first; default: of all names."""
        return [EventView.from_row(row) for row in await self._rows("list_events", self.namespace, name, limit)]


def _check_json(value: str) -> None:
    try:
        json.loads(value)
    except ValueError as error:
        raise InputError(f"The value is no JSON ({error}). A text needs quotes: '\"yes\"'") from None
