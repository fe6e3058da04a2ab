"""What waiting costs: tokens while a process waits, runs that wait without one, timers, and runs triggered by a run."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import UUID

from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.line import Line
from benchmarks.noting_launcher import NotingLauncher
from benchmarks.runs import run_attempt
from benchmarks.samples import Samples
from benchmarks.statements import statement
from holdfast import batch_trigger, create_token, sleep, task, trigger, wait_for_token
from holdfast.contract.environment import AttemptEnvironment
from holdfast.protocol.connection import Connection
from holdfast.runtime.attempt import Attempt
from holdfast.runtime.session import SessionSettings
from holdfast_engine.engine import Engine, EngineSettings
from holdfast_engine.services.admission import Admission

if TYPE_CHECKING:
    from benchmarks.server import Connection as ServerConnection
    from holdfast_engine.launcher import AttemptId

BATCH = 1000
_WARM_UP = 5
_WAKE_SECONDS = 0.2


@task(name="benchmark-child")
async def child(number: int) -> int:
    """Is triggered, and never launched."""
    return number


async def measure(bench: Bench) -> list[Line]:
    """Each beside the bare statements that the same takes."""
    return [*await _tokens(bench), *await _wakes(bench), *await _children(bench)]


async def _tokens(bench: Bench) -> list[Line]:
    """A token is completed while the process waits for it: until the code behind the wait goes on."""
    resumes, notifies = Samples(), Samples()
    repeat = bench.repeat(200, quick=40) + _WARM_UP
    made: asyncio.Queue[UUID] = asyncio.Queue()
    went_on: asyncio.Queue[float] = asyncio.Queue()

    @task(name="benchmark-tokens")
    async def wait_for_tokens() -> None:
        for _ in range(repeat):
            token = await create_token()
            made.put_nowait(token.id)
            await wait_for_token(token)
            went_on.put_nowait(time.perf_counter())

    environment = await bench.runs.begin("benchmarks.waits:wait_for_tokens")
    database = Connection(environment.database)
    attempt = asyncio.create_task(run_attempt(environment, wait_for_tokens, database))
    async with bench.server.connection() as client, bench.server.connection() as other:
        heard: asyncio.Queue[None] = asyncio.Queue()
        await other.add_listener("floor", lambda *_: heard.put_nowait(None))
        for number in range(repeat):
            if number == _WARM_UP:
                resumes.forget()
                notifies.forget()
            token_id = await made.get()
            await _until_watched(client, token_id)
            began = time.perf_counter()
            await client.execute(statement("complete_token"), token_id)
            resumes.add(await went_on.get() - began)
            with notifies.timed():
                await client.execute(statement("notify"))
                await heard.get()
    await attempt
    await database.close()
    return [
        Line("token completed to the line behind its wait, p50", "ms", resumes.median, notifies.median),
        Line("token completed to the line behind its wait, p99", "ms", resumes.p99, notifies.p99),
    ]


async def _wakes(bench: Bench) -> list[Line]:
    """A run waits with its process gone: from the completed token, or the time it sleeps until, to its next launch."""
    by_token, by_time, notifies = Samples(), Samples(), Samples()
    launcher = NotingLauncher()
    engine = Engine(bench.server.dsn, launcher, EngineSettings(runner_dsn=bench.server.runner_dsn))
    tokens: asyncio.Queue[UUID] = asyncio.Queue()

    @task(name="benchmark-approval")
    async def wait_for_approval() -> None:
        token = await create_token()
        tokens.put_nowait(token.id)
        await wait_for_token(token)

    @task(name="benchmark-sleep")
    async def sleep_a_little() -> None:
        await sleep(_WAKE_SECONDS)

    async with engine, bench.server.connection() as client, bench.server.connection() as other:
        heard: asyncio.Queue[None] = asyncio.Queue()
        await other.add_listener("floor", lambda *_: heard.put_nowait(None))
        await engine.wait_for_pass(Admission.name)
        parking = _Parking(bench, client, launcher)
        for number in range(bench.repeat(60, quick=15) + _WARM_UP):
            if number == _WARM_UP:
                by_token.forget()
                by_time.forget()
                notifies.forget()
            run_id = await parking.park(wait_for_approval)
            token_id = await tokens.get()
            with by_token.timed():
                await client.execute(statement("complete_token"), token_id)
                await launcher.launched.get()
            await client.execute(statement("forget_run"), run_id)
            run_id = await parking.park(sleep_a_little)
            await launcher.launched.get()
            by_time.add(await client.fetchval(statement("late_seconds"), run_id))
            await client.execute(statement("forget_run"), run_id)
            with notifies.timed():
                await client.execute(statement("notify"))
                await heard.get()
    return [
        Line("token completed to launch of the parked run, p50", "ms", by_token.median, notifies.median),
        Line("timer due to launch of the parked run, p50", "ms", by_time.median, notifies.median, Budget.at_most(1000)),
        Line("timer due to launch of the parked run, p99", "ms", by_time.p99, notifies.p99, Budget.at_most(1000)),
    ]


class _Parking:
    """Runs a task until it has left its process."""

    def __init__(self, bench: Bench, client: ServerConnection, launcher: NotingLauncher) -> None:
        self._bench = bench
        self._client = client
        self._launcher = launcher

    async def park(self, parked_task: object) -> UUID:
        """Trigger a run, execute its first attempt here until it parks, and return its id."""
        await self._client.fetchval(statement("trigger_run"), "benchmarks.waits:parks")
        launched: AttemptId = await self._launcher.launched.get()
        environment = AttemptEnvironment(
            database=self._bench.server.runner_dsn,
            run_id=launched.run_id,
            attempt=launched.attempt,
            token=await self._client.fetchval(statement("token_of"), *launched),
            entrypoint="benchmarks.waits:parks",
        )
        settings = SessionSettings(park_threshold_seconds=0)
        await Attempt(environment, owns_process=False, settings=settings, load=lambda _: parked_task).run()  # type: ignore[arg-type,return-value]  # any task
        return launched.run_id


async def _children(bench: Bench) -> list[Line]:
    """Runs triggered by a run, one by one and a thousand at once, beside bare inserts of as many rows."""
    singles, batches, insert_ones, insert_manys = Samples(), Samples(), Samples(), Samples()
    repeat = bench.repeat(7, quick=2)
    ones = bench.repeat(200, quick=50)
    inputs = [{"number": number} for number in range(BATCH)]

    async with bench.server.connection() as floor:

        @task(name="benchmark-parent")
        async def trigger_children() -> None:
            for number in range(ones):
                with singles.timed():
                    await trigger(child, {"number": number})
                with insert_ones.timed():
                    await floor.execute(statement("insert_runs"), 1)
            for _ in range(repeat):
                with batches.timed():
                    await batch_trigger(child, inputs)
                with insert_manys.timed():
                    await floor.execute(statement("insert_runs"), BATCH)

        environment = await bench.runs.begin("benchmarks.waits:trigger_children")
        database = Connection(environment.database)
        await run_attempt(environment, trigger_children, database)
        await database.close()
        await floor.execute(statement("forget_children"))
    return [
        Line("children triggered one by one", "runs/s", 1000 / singles.median, 1000 / insert_ones.median),
        Line(f"batch of {BATCH} triggered, p50", "ms", batches.median, insert_manys.median, Budget.at_most(100)),
    ]


async def _until_watched(client: ServerConnection, token_id: UUID) -> None:
    """Return when the process that waits has looked at the token: what comes now, it learns by notification."""
    await client.fetchval(statement("token_exists"), token_id)
    await asyncio.sleep(0.02)
