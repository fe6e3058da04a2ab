"""``python -m benchmarks.cluster.played_runners``: the runners of simulated pods, all in one process of their own.

Each pod that runs opens its attempt by the token in its environment and, unless asked to stay, finishes it and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from prometheus_client import CollectorRegistry

from benchmarks.cluster.watching import changes
from holdfast.contract import labels
from holdfast.contract.environment import ATTEMPT, RUN_ID, TOKEN
from holdfast.domain.errors import AttemptFenced, HoldfastError
from holdfast.protocol.client import AttemptClient
from holdfast.protocol.messages import AttemptOutcome, Ending, Identity
from holdfast.protocol.shared import SharedConnections
from holdfast_operator.api_client import api_client
from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.kinds import PODS, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import NotFound

CONNECTIONS = 8


class PlayedRunners:
    """Plays what is in the pods.

    Args:
        kube: where pods are told to have ended.
        database: of the attempts, as pods see it.
        stay: leave the attempts open.
    """

    def __init__(self, kube: Kube, database: SharedConnections, *, stay: bool) -> None:
        self._kube = kube
        self._database = database
        self._stay = stay

    async def play(self, pod: Object) -> None:
        """One attempt from its first line to its end."""
        variables = {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0]["env"]}
        identity = Identity(UUID(variables[RUN_ID]), int(variables[ATTEMPT]), secrets.token_bytes(32))
        attempt = AttemptClient(self._database, identity)
        await attempt.open(variables[TOKEN], '{"python": "3.11"}')
        if self._stay:
            return
        await attempt.finish(Ending(AttemptOutcome.SUCCEEDED, value='"done"'))
        await self._end(pod)

    async def _end(self, pod: Object) -> None:
        [container] = pod["status"]["containerStatuses"]
        began = container["state"]["running"]["startedAt"]
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": began}
        status = {"phase": "Succeeded", "containerStatuses": [{**container, "state": {"terminated": ended}}]}
        metadata = pod["metadata"]
        with suppress(NotFound):
            await self._kube.patch(
                PODS, metadata["namespace"], metadata["name"], {"status": status}, subresource="status"
            )


async def play_all(kubeconfig: Path, dsn: str, namespace: str, *, stay: bool) -> None:
    """Play the runners of all pods of a namespace, for ever."""
    client = await api_client(kubeconfig)
    database = SharedConnections(dsn, CONNECTIONS)
    async with Kube(client, ClientMetrics(CollectorRegistry(), "")) as kube, asyncio.TaskGroup() as tasks:
        runners = PlayedRunners(kube, database, stay=stay)
        seen: set[str] = set()
        print("playing", flush=True)
        async for happened, pod in changes(
            kubeconfig, PODS, namespace, labels=labels.RUN, fields="status.phase=Running"
        ):
            uid = pod["metadata"]["uid"]
            if happened != "DELETED" and uid not in seen:
                seen.add(uid)
                tasks.create_task(_told(runners, pod))


async def _told(runners: PlayedRunners, pod: Object) -> None:
    try:
        await runners.play(pod)
    except (AttemptFenced, HoldfastError) as error:  # it was taken from the run meanwhile
        print(f"{pod['metadata']['name']}: {error}", flush=True)


def main() -> None:
    """Play until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--stay", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(play_all(arguments.kubeconfig, arguments.dsn, arguments.namespace, stay=arguments.stay))


if __name__ == "__main__":
    main()
