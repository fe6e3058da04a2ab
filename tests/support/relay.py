"""A network between a client and a server, which a test may cut: nothing is refused, and nothing arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.cluster.rig import kubeconfig
from tests.cluster.rig.control_plane import ControlPlane


class Relay:
    """Passes bytes on, both ways, until it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._is_whole = asyncio.Event()
        self._is_whole.set()
        self._writers: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """From now on nothing arrives any more."""
        self._is_whole.clear()

    def accepted(self, writer: asyncio.StreamWriter) -> None:
        """Close this end, too, when the relay closes: the connection may never be passed on."""
        self._writers.append(writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        await self._is_whole.wait()
        their_reader, their_writer = await asyncio.open_connection(*self._target)
        self._writers.append(their_writer)
        await asyncio.gather(self._pass_on(reader, their_writer), self._pass_on(their_reader, writer))

    async def close(self) -> None:
        """Close what was passed on."""
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                await self._is_whole.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def relay_to(plane: ControlPlane) -> AsyncIterator[Relay]:
    """A relay to that API server; the kubeconfig of the user "relayed", an administrator, leads through it."""
    relay = Relay(plane.endpoints.address, plane.endpoints.api_port)
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay.accepted(writer)
        connections.add(asyncio.create_task(relay.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    kubeconfig.write_for_certificate(plane.user_kubeconfig("relayed"), url, plane.certificates, "admin")
    try:
        yield relay
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await relay.close()
