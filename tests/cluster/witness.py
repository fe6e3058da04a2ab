"""What happens in pods, told outside of the cluster: a small server of the test on the node's address."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.cluster.rig.addresses import NODE_ADDRESS


class Report(NamedTuple):
    """An attempt came to a place in its code."""

    run: str
    attempt: int
    place: str


class Witness:
    """Notes every report, in the order of their arrival, and answers it: at once, or where it holds, when released."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.address = ""
        """host:port, for the variable of the pods."""
        self._arrivals: defaultdict[str, asyncio.Queue[Report]] = defaultdict(asyncio.Queue)
        self._gates: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Condition()

    def hold(self, *places: str) -> None:
        """From now on, whoever comes to one of these places waits there."""
        for place in places:
            self._gates[place] = asyncio.Event()

    def release(self, *places: str) -> None:
        """Let those go on who wait there, and hold nobody there any more."""
        for place in places:
            self._gates.pop(place).set()

    async def arrival(self, place: str) -> Report:
        """The next report from this place; those that came earlier and were not asked for come first."""
        return await self._arrivals[place].get()

    async def until(self, count: int) -> None:
        """Wait until so many reports have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.reports) >= count)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which is one report."""
        try:
            line = await reader.readline()
            if not line:
                return
            report = Report(*json.loads(line))
            self.reports.append(report)
            self._arrivals[report.place].put_nowait(report)
            async with self._changed:
                self._changed.notify_all()
            if gate := self._gates.get(report.place):
                await gate.wait()
            writer.write(b"go on\n")
            await writer.drain()
        except ConnectionError:
            pass  # the pod was killed
        finally:
            writer.close()


@asynccontextmanager
async def listening(holds: Iterable[str] = ()) -> AsyncIterator[Witness]:
    """A witness that the pods of the node reach."""
    witness = Witness()
    witness.hold(*holds)
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(witness.answer(reader, writer))
        connections.add(connection)
        connection.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, NODE_ADDRESS, 0)
    host, port = server.sockets[0].getsockname()
    witness.address = f"{host}:{port}"
    try:
        yield witness
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()
