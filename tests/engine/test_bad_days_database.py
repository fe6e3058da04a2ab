"""The database is restarted, gone, full, slow or read-only while an attempt is under way: it waits, and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from holdfast.contract.exit_codes import RunnerExit
from tests.support.databases import Database, Server, running_server
from tests.support.processes import wait_for_end
from tests.support.protocol import ControlPlane, Pod
from tests.support.runner_process import BAD_DAYS, RunnerProcess, runner_process

pytestmark = pytest.mark.asyncio(loop_scope="module")

Launch = Callable[..., AbstractAsyncContextManager[RunnerProcess]]

AWAY = "the database is away"
BACK = "the database is back"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    """A server of this module alone, to be stopped and killed."""
    async with running_server() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(server: Server) -> AsyncIterator[Database]:
    async with server.database() as database:
        yield database


@pytest.fixture
def launch(database: Database) -> Launch:
    return partial(runner_process, database=database.runner_dsn)


@asynccontextmanager
async def _control(database: Database) -> AsyncIterator[ControlPlane]:
    connection = await asyncpg.connect(database.dsn)
    try:
        yield ControlPlane(connection)
    finally:
        await connection.close()


async def _started(database: Database, task: str, **options: Any) -> Pod:
    async with _control(database) as control:
        return await control.started(entrypoint=f"{BAD_DAYS}:{task}", **options)


async def _stop_fast(server: Server) -> None:
    await server.postgres.stop()


async def _stop_immediately(server: Server) -> None:
    pid = server.postgres.pid
    os.kill(pid, signal.SIGQUIT)
    await wait_for_end(pid)


async def _kill(server: Server) -> None:
    pid = server.postgres.pid
    os.kill(pid, signal.SIGKILL)
    await wait_for_end(pid)


each_stop = pytest.mark.parametrize("stop", [_stop_fast, _stop_immediately, _kill], ids=["fast", "immediate", "killed"])


async def _check(database: Database, pod: Pod, result: str, steps: int) -> None:
    """The run has succeeded in its first attempt, as if nothing had happened."""
    async with _control(database) as control:
        run = await control.run(pod.run_id)
        assert (run["state"], run["result"], run["error"]) == ("Succeeded", result, None)
        assert (run["attempt"], run["failures"], run["disruptions"]) == (1, 0, 0)
        recorded = await control.steps(pod.run_id)
        assert [step["outcome"] for step in recorded] == ["Succeeded"] * steps
        assert {step["tries"] for step in recorded} == {1}


# --- stopped ---------------------------------------------------------------------------------------------------------


@each_stop
async def test_a_result_is_kept_until_it_can_be_recorded(
    server: Server, database: Database, launch: Launch, stop: Callable[[Server], Any]
) -> None:
    pod = await _started(database, "three_steps")
    async with launch(pod) as process:
        await process.says("at second")
        await stop(server)
        process.tell("kept")
        await process.says(AWAY)
        await server.postgres.start()
        assert await process.exit() is RunnerExit.SUCCEEDED
        assert BACK in process.text
        assert process.text.count("executed first") == 1
    await _check(database, pod, '["first","kept","third"]', 3)


@each_stop
async def test_restarted_in_the_middle_of_many_records(
    server: Server, database: Database, launch: Launch, stop: Callable[[Server], Any]
) -> None:
    """Some answer is lost: what was committed is sent again, and accepted."""
    pod = await _started(database, "many_steps", input_text='{"count": 300}')
    async with launch(pod) as process:
        await process.says("at ten")
        await stop(server)
        await server.postgres.start()
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, str(sum(range(300))), 300)


async def test_stopped_when_the_attempt_begins(server: Server, database: Database, launch: Launch) -> None:
    pod = await _started(database, "three_steps")
    await server.postgres.stop()
    async with launch(pod) as process:
        await process.says(AWAY)
        await server.postgres.start()
        await process.says("at second")
        process.tell("later")
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '["first","later","third"]', 3)


async def test_stopped_when_the_attempt_ends(server: Server, database: Database, launch: Launch) -> None:
    pod = await _started(database, "waits_at_the_end")
    async with launch(pod) as process:
        await process.says("at end")
        await server.postgres.stop()
        process.tell("the result")
        await process.says(AWAY)
        await server.postgres.start()
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '"the result"', 1)


async def test_stopped_twice(server: Server, database: Database, launch: Launch) -> None:
    """The grace counts anew when the database was back in between."""
    pod = await _started(database, "three_steps")
    async with launch(pod) as process:
        await process.says("at second")
        for _ in range(2):
            await _stop_immediately(server)
            await server.postgres.start()
        process.tell("kept")
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '["first","kept","third"]', 3)


@pytest.mark.parametrize("place", ["in a thread", "on the event loop"])
async def test_a_def_step_is_kept_too(server: Server, database: Database, launch: Launch, place: str) -> None:
    pod = await _started(database, "in_a_thread" if place == "in a thread" else "def_steps_on_the_loop")
    async with launch(pod) as process:
        await process.says("at second")
        await server.postgres.stop()
        process.tell("kept")
        await process.says(AWAY)
        await server.postgres.start()
        await process.says("at third")
        process.tell("later")
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '["kept","later"]', 2)


@pytest.mark.parametrize("grace_seconds", [0, 1])
async def test_gone_for_longer_than_the_grace(
    server: Server, database: Database, launch: Launch, grace_seconds: int
) -> None:
    pod = await _started(database, "three_steps")
    async with launch(pod, database_grace_seconds=grace_seconds) as process:
        await process.says("at second")
        await server.postgres.stop()
        process.tell("lost")
        assert await process.exit() is RunnerExit.DISRUPTED
        assert f"the database was unreachable for {grace_seconds} s (databaseGraceSeconds)" in process.text
        assert "executed third" not in process.text
    await server.postgres.start()
    async with _control(database) as control:
        run = await control.run(pod.run_id)
        assert run["state"] == "Running", "nobody could say anything else"
        assert await control.end(pod, "Disruption", reason="ProcessLost") == "Backoff"
        await control.requeue(pod.run_id)
        following = await control.admit(pod.run_id)
    async with launch(following) as process:
        process.tell("again")
        assert await process.exit() is RunnerExit.SUCCEEDED
        assert "executed first" not in process.text
    async with _control(database) as control:
        run = await control.run(pod.run_id)
        assert (run["result"], run["failures"], run["disruptions"]) == ('["first","again","third"]', 0, 1)


async def test_gone_while_the_task_does_something_else(server: Server, database: Database, launch: Launch) -> None:
    """Nothing has to be recorded, but no heartbeat is answered: after lease and grace nobody knows of the attempt."""
    pod = await _started(database, "waits_between_steps", lease_seconds=1)
    async with launch(pod, database_grace_seconds=1) as process:
        await process.says("at between")
        await server.postgres.stop()
        assert await process.exit() is RunnerExit.DISRUPTED
        assert "no heartbeat was answered" in process.text
    await server.postgres.start()


async def test_asked_to_leave_while_it_is_gone(server: Server, database: Database, launch: Launch) -> None:
    pod = await _started(database, "three_steps")
    async with launch(pod, shutdown_grace_seconds=2) as process:
        await process.says("at second")
        await server.postgres.stop()
        process.tell("kept")
        await process.says(AWAY)
        process.signal(signal.SIGTERM)
        await server.postgres.start()
        assert await process.exit() in (RunnerExit.DISRUPTED, RunnerExit.SUCCEEDED)
    async with _control(database) as control:
        assert (await control.run(pod.run_id))["state"] in ("Backoff", "Succeeded")
        recorded = {step["key"]: step["value"] for step in await control.steps(pod.run_id)}
        assert recorded.get("0/wait_in_step#1") == '"kept"', "it was not recorded after all"


# --- there, but of no use --------------------------------------------------------------------------------------------


async def test_a_server_that_does_not_answer(database: Database, launch: Launch) -> None:
    """Its process is stopped, as on a machine that swaps; the statement is answered late."""
    pod = await _started(database, "three_steps")
    async with launch(pod) as process, _control(database) as control:
        await process.says("at second")
        (backend,) = await control.connection.fetch(
            "select pid from pg_stat_activity where usename = 'test_runner' and datname = current_database()"
        )
        os.kill(backend["pid"], signal.SIGSTOP)
        process.tell("late")
        os.kill(backend["pid"], signal.SIGCONT)
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '["first","late","third"]', 3)


async def test_a_connection_that_an_administrator_ends(database: Database, launch: Launch) -> None:
    pod = await _started(database, "three_steps")
    async with launch(pod) as process, _control(database) as control:
        await process.says("at second")
        await control.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'test_runner' and datname = current_database()"
        )
        process.tell("kept")
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '["first","kept","third"]', 3)


async def test_a_statement_timeout(database: Database, launch: Launch) -> None:
    pod = await _started(database, "three_steps")
    async with _control(database) as control:
        await control.connection.execute("alter role test_runner set statement_timeout = '100ms'")
        try:
            async with launch(pod) as process:
                await process.says("at second")
                async with control.connection.transaction():
                    await control.connection.execute("lock table holdfast.steps in access exclusive mode")
                    process.tell("kept")
                    await process.says("canceling statement due to statement timeout")
                assert await process.exit() is RunnerExit.SUCCEEDED
                assert BACK in process.text
        finally:
            await control.connection.execute("alter role test_runner reset statement_timeout")
    await _check(database, pod, '["first","kept","third"]', 3)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("53100", "could not extend file: No space left on device"),
        ("53200", "out of memory"),
        ("58030", "could not write block: Input/output error"),
        ("40P01", "deadlock detected"),
        ("55P03", "canceling statement due to lock timeout"),
    ],
)
async def test_an_error_of_the_server_that_passes(database: Database, launch: Launch, state: str, says: str) -> None:
    pod = await _started(database, "three_steps")
    async with launch(pod) as process, _control(database) as control:
        await process.says("at second")
        await control.connection.execute(
            f"""
            create function public.trouble() returns trigger language plpgsql as
                $$ begin raise exception using errcode = '{state}', message = '{says}'; end $$;
            create trigger trouble before insert on holdfast.steps for each row execute function public.trouble();
            """
        )
        process.tell("kept")
        await process.says(says)
        await control.connection.execute("drop function public.trouble() cascade")
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '["first","kept","third"]', 3)


async def test_a_disk_that_is_full(server: Server, launch: Launch) -> None:
    """Really: the file that large results go to is the device that has no room, ever."""
    async with server.database() as database:
        pod = await _started(database, "one_large_step")
        async with launch(pod, database=database.runner_dsn) as process, _control(database) as control:
            await process.says("at large")
            path = await control.connection.fetchval(
                "select current_setting('data_directory') || '/' || pg_relation_filepath(reltoastrelid)"
                " from pg_class where oid = 'holdfast.steps'::regclass"
            )
            file, aside = Path(path), Path(f"{path}.aside")
            assert file.stat().st_size == 0
            file.rename(aside)
            file.symlink_to("/dev/full")
            process.tell("kept")
            await process.says("No space left on device")
            aside.replace(file)
            assert await process.exit() is RunnerExit.SUCCEEDED
            assert BACK in process.text
        await _check(database, pod, "200000", 1)


async def test_a_disk_that_is_full_when_the_attempt_ends(database: Database, launch: Launch) -> None:
    pod = await _started(database, "waits_at_the_end")
    async with launch(pod) as process, _control(database) as control:
        await process.says("at end")
        await control.connection.execute(
            """
            create function public.trouble() returns trigger language plpgsql as
                $$ begin raise exception using errcode = '53100', message = 'No space left on device'; end $$;
            create trigger trouble before update on holdfast.runs for each row execute function public.trouble();
            """
        )
        process.tell("the result")
        await process.says("No space left on device")
        await control.connection.execute("drop function public.trouble() cascade")
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '"the result"', 1)


async def test_a_server_that_became_read_only(database: Database, launch: Launch) -> None:
    """As the old primary does when another server takes over."""
    pod = await _started(database, "three_steps")
    async with launch(pod) as process, _control(database) as control:
        await process.says("at second")
        await control.connection.execute(
            "alter role test_runner set default_transaction_read_only = on;"
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = 'test_runner' and datname = current_database()"
        )
        process.tell("kept")
        await process.says("read-only transaction")
        await control.connection.execute("alter role test_runner reset default_transaction_read_only")
        assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '["first","kept","third"]', 3)


async def test_too_many_connections(database: Database, launch: Launch) -> None:
    pod = await _started(database, "three_steps")
    async with _control(database) as control:
        await control.connection.execute("alter role test_runner connection limit 0")
        async with launch(pod) as process:
            await process.says("too many connections")
            await control.connection.execute("alter role test_runner connection limit -1")
            await process.says("at second")
            process.tell("on")
            assert await process.exit() is RunnerExit.SUCCEEDED
    await _check(database, pod, '["first","on","third"]', 3)


async def test_an_error_that_does_not_pass_ends_the_run(database: Database, launch: Launch) -> None:
    """The database refuses the record for ever: the run says so and can be resumed."""
    pod = await _started(database, "three_steps")
    async with launch(pod) as process, _control(database) as control:
        await process.says("at second")
        await control.connection.execute(
            """
            create function public.trouble() returns trigger language plpgsql as
                $$ begin raise exception using errcode = '23514', message = 'this step is forbidden'; end $$;
            create trigger trouble before insert on holdfast.steps for each row execute function public.trouble();
            """
        )
        process.tell("kept")
        assert await process.exit() is RunnerExit.FAILED
        await control.connection.execute("drop function public.trouble() cascade")
        run = await control.run(pod.run_id)
        assert run["state"] == "Failed"
        assert "this step is forbidden" in run["message"]
        assert await control.call("resume_run", pod.run_id) == "Queued"


async def test_a_login_that_is_refused_is_not_waited_for(database: Database) -> None:
    pod = await _started(database, "three_steps")
    async with runner_process(pod, database.runner_dsn.replace("test_runner", "nobody_we_know")) as process:
        assert await process.exit() is RunnerExit.INTERNAL
        assert 'role "nobody_we_know" does not exist' in process.text
    async with _control(database) as control:
        assert (await control.run(pod.run_id))["state"] == "Starting"


async def test_everyone_waits_and_goes_on(server: Server, database: Database, launch: Launch) -> None:
    pods = [await _started(database, "three_steps") for _ in range(4)]

    async def live(pod: Pod, gone: asyncio.Event, waiting: asyncio.Barrier) -> None:
        async with launch(pod) as process:
            await process.says("at second")
            await waiting.wait()
            await gone.wait()
            process.tell("kept")
            await process.says(AWAY)
            await waiting.wait()
            assert await process.exit() is RunnerExit.SUCCEEDED

    gone, waiting = asyncio.Event(), asyncio.Barrier(len(pods) + 1)
    async with asyncio.TaskGroup() as lives:
        for pod in pods:
            lives.create_task(live(pod, gone, waiting))
        await waiting.wait()
        await _kill(server)
        gone.set()
        await waiting.wait()
        await server.postgres.start()
    for pod in pods:
        await _check(database, pod, '["first","kept","third"]', 3)
