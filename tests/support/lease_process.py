"""A replica that does nothing but lead: `python -m tests.support.lease_process KUBECONFIG NAMESPACE IDENTITY`.

It prints "leads", "released" or "lost: …"; SIGTERM lets it release.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from holdfast_operator.lease import Lease, LeaseLostError
from tests.support.kube_clients import connected


async def main(kubeconfig: str, namespace: str, identity: str) -> None:
    """Lead until killed, stopped, or no longer the leader."""
    asked_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_stop.set)
    async with connected(Path(kubeconfig), timeout_seconds=2.0) as kube:
        lease = Lease(kube, namespace, "test", identity, duration_seconds=9, renew_seconds=0.5)
        await lease.acquire()
        print("leads", flush=True)
        holding = asyncio.create_task(lease.hold())
        stopping = asyncio.create_task(asked_to_stop.wait())
        await asyncio.wait([holding, stopping], return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            try:
                await holding
            except LeaseLostError as error:
                print(f"lost: {error}", flush=True)
            stopping.cancel()
            return
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await lease.release()
        print("released", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
