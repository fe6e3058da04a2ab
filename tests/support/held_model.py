"""The stand-in model of the example, whose answers a test can hold back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from examples.agent.model_server import ModelServer, Refusal


class HeldModel:
    """Answers at once, but for the call that is to be held. Its ``calls`` are the oracle: what was really asked."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._hold = 0
        self._is_held = asyncio.Event()
        self._released = threading.Event()
        self.refusals: list[Refusal] = []
        self.server = ModelServer(on_call=self._on_call)

    @property
    def calls(self) -> list[int]:
        """For each call so far, how many messages its transcript had."""
        return self.server.calls

    def hold(self, call: int) -> None:
        """Hold back the answer to so manieth call, from 1."""
        self._hold = call

    async def held(self) -> None:
        """Wait until that call has come."""
        await self._is_held.wait()

    def release(self) -> None:
        """Answer."""
        self._released.set()

    def _on_call(self, messages: int) -> Refusal | None:
        if self.refusals:
            return self.refusals.pop(0)
        if len(self.calls) == self._hold:
            self._loop.call_soon_threadsafe(self._is_held.set)
            self._released.wait()
        return None


@contextmanager
def held_model() -> Iterator[HeldModel]:
    """A stand-in that serves while the context is open."""
    model = HeldModel(asyncio.get_running_loop())
    thread = threading.Thread(target=model.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield model
    finally:
        model.release()
        model.server.shutdown()
        thread.join()
        model.server.server_close()
