"""A task can touch its own run and nothing else: what the login of a pod tries is refused, by whatever way it comes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio

from holdfast.domain.states import State
from tests.support.protocol import BAD_SECRET, CALLS, FENCED, ControlPlane, Pod, refused
from tests.support.states import run_in

if TYPE_CHECKING:
    from tests.db.conftest import Connect

    Connection = asyncpg.Connection[asyncpg.Record]

DENIED = "42501"

_RELATIONS = """
    select format('%I.%I', n.nspname, c.relname) as name, c.relkind::text as kind, c.relname as bare,
        (select format('%I', a.attname) from pg_attribute a where a.attrelid = c.oid and a.attnum = 1) as first_column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('holdfast', 'holdfast_v1') and c.relkind not in ('i', 't') order by 1
"""

_FUNCTIONS = """
    select p.oid::regprocedure::text as signature, format('%I.%I', n.nspname, p.proname) as name, p.proname as bare,
        n.nspname as schema,
        p.prokind::text as kind, p.prorettype = 'trigger'::regtype as is_trigger, p.prosecdef as is_definer,
        array(select format('null::%s', t::regtype) from unnest(p.proargtypes) as t) as nulls,
        has_function_privilege('holdfast_runner', p.oid, 'execute') as may_execute, p.proconfig as settings
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('holdfast', 'holdfast_v1') order by 1
"""


@pytest_asyncio.fixture(loop_scope="session")
async def runner(connect_runner: Connect) -> Connection:
    """A connection with the rights of a pod."""
    return await connect_runner()


async def _tries(runner: Connection, statement: str) -> str:
    """What comes of it, as an SQLSTATE; nothing is kept."""
    transaction = runner.transaction()
    await transaction.start()
    try:
        await runner.execute(statement)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    finally:
        await transaction.rollback()
    return "done"


# --- tables and functions --------------------------------------------------------------------------------------------


async def test_no_table_can_be_read_or_written(control: ControlPlane, runner: Connection) -> None:
    relations = await control.connection.fetch(_RELATIONS)
    assert {"runs", "attempts", "steps", "logs", "tasks", "queues", "secrets"} <= {row["bare"] for row in relations}
    outcomes = {}
    for row in relations:
        name, column = row["name"], row["first_column"]
        if row["kind"] == "S":
            for function in (f"nextval('{name}')", f"setval('{name}', 1)"):
                outcomes[f"select {function}"] = await _tries(runner, f"select {function}")
            outcomes[f"table {name}"] = await _tries(runner, f"table {name}")
            continue
        assert row["kind"] == "r", f"{name} is of a kind that this test does not know"
        for statement in (
            f"select from {name}",
            f"select {column} from {name} limit 0",
            f"select count(*) from {name}",
            f"table {name}",
            f"insert into {name} default values",
            f"update {name} set {column} = {column}",
            f"delete from {name}",
            f"truncate {name}",
            f"copy {name} to stdout",
            f"lock table {name} in access share mode",
            f"alter table {name} add column mine text",
            f"alter table {name} disable row level security",
            f"create index on {name} ({column})",
            f"create trigger mine before insert on {name} execute function mine()",
            f"comment on table {name} is 'mine'",
            f"drop table {name}",
            f"grant select on {name} to public",
        ):
            outcomes[statement] = await _tries(runner, statement)
    assert set(outcomes.values()) == {DENIED}, {each: code for each, code in outcomes.items() if code != DENIED}


async def test_no_function_of_the_control_plane_can_be_called(control: ControlPlane, runner: Connection) -> None:
    functions = [row for row in await control.connection.fetch(_FUNCTIONS) if row["schema"] == "holdfast"]
    names = {row["name"] for row in functions}
    assert {"holdfast.trigger_run", "holdfast.end_attempt", "holdfast.bootstrap_token", "holdfast.now"} <= names
    outcomes = {}
    for row in functions:
        assert row["kind"] == "f"
        assert not row["may_execute"]
        outcomes[row["signature"]] = await _tries(runner, f"select {row['name']}({', '.join(row['nulls'])})")
    assert set(outcomes.values()) == {DENIED}, outcomes


async def test_the_protocol_is_what_can_be_called(control: ControlPlane) -> None:
    functions = [row for row in await control.connection.fetch(_FUNCTIONS) if row["schema"] == "holdfast_v1"]
    assert {row["bare"] for row in functions} == {*CALLS, "open"}
    assert all(row["may_execute"] and row["is_definer"] for row in functions)


async def test_every_function_looks_for_temporary_objects_last(control: ControlPlane) -> None:
    """Left out, `pg_temp` is searched first. Those without a path of their own are never called but by one that has."""
    functions = await control.connection.fetch(_FUNCTIONS)
    without = {row["name"] for row in functions if "search_path=pg_catalog, pg_temp" not in (row["settings"] or [])}
    assert without == {
        "holdfast.new_run",
        "holdfast.now",
        "holdfast.pick_runs",
        "holdfast.pick_runs_of_key",
        "holdfast.pick_runs_with_free_key",
        "holdfast.pick_runs_in_turn",
    }


@pytest.mark.parametrize(
    "statement",
    [
        "create schema mine",
        "create table public.mine (id int)",
        "create table holdfast.mine (id int)",
        "create table holdfast_v1.mine (id int)",
        "create function public.mine() returns int language sql return 1",
        "create function holdfast_v1.mine() returns int language sql return 1",
        "create view holdfast_v1.mine as select 1",
        "create type holdfast_v1.mine as (id int)",
        "create role mine",
        "create database mine",
        "create publication mine for all tables",
        "create event trigger mine on ddl_command_start execute function suppress_redundant_updates_trigger()",
        "create foreign data wrapper mine",
        "alter function holdfast_v1.fetch(uuid, integer, bytea, text[]) security invoker",
        "alter function holdfast_v1.fetch(uuid, integer, bytea, text[]) set search_path = pg_temp",
        "drop function holdfast_v1.fetch(uuid, integer, bytea, text[])",
        "alter role holdfast_runner superuser",
        "alter role holdfast_runner login",
        "grant holdfast_runner to current_user with admin option",
        "grant pg_read_all_data to current_user",
        "set role postgres",
        "set session authorization postgres",
        "set session_replication_role = replica",
        "alter system set fsync = off",
        "alter database postgres set search_path = pg_temp",
        "copy (select 1) to program 'true'",
        "copy (select 1) to '/dev/null'",
        "select pg_read_file('PG_VERSION')",
        "select pg_ls_dir('.')",
        "select rolpassword from pg_authid",
        "select lo_export(1, '/dev/null')",
        "select pg_reload_conf()",
    ],
)
async def test_nothing_else_of_the_server_can_be_changed(
    control: ControlPlane, runner: Connection, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await runner.execute(statement)


async def test_sessions_of_others_cannot_be_ended(control: ControlPlane, runner: Connection) -> None:
    pid = control.connection.get_server_pid()
    for function in ("pg_terminate_backend", "pg_cancel_backend"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await runner.execute(f"select {function}({pid})")


# --- tricks ----------------------------------------------------------------------------------------------------------

_SPY = """
    create function pg_temp.spy() returns pg_catalog.bool language plpgsql as $$
    begin
        perform pg_catalog.set_config('spy.ran_as', pg_catalog.current_setting('spy.ran_as', true) || ' '
            || (current_user::pg_catalog.name)::pg_catalog.varchar, false);
        return true;
    end $$;
    select pg_catalog.set_config('spy.ran_as', '', false);
"""

_TYPES = ("text", "timestamptz", "uuid", "bytea", "jsonb", "int4", "int8", "float8", "bool", "interval")


def _calls_in_plain_sql(pod: Pod) -> list[str]:
    """All calls as text, which no temporary type of the session can catch on its way to the function."""
    run, session = f"'{pod.run_id}'::pg_catalog.uuid", f"'\\x{pod.session.hex()}'::pg_catalog.bytea"
    who = f"p_run_id => {run}, p_attempt => 1, p_session => {session}"
    return [
        f"select holdfast_v1.open({who}, p_token => '{pod.token}', p_runner => '{{}}')",
        f"select holdfast_v1.record({who}, p_key => 'a', p_sequence => 1, p_position => 1, p_kind => 'step',"
        " p_name => 'a', p_outcome => 'Succeeded', p_tries => 1, p_elapsed_ms => 1, p_input_digest => null,"
        " p_value => '1')",
        f"select holdfast_v1.record({who}, p_key => 'a', p_sequence => 1, p_position => 1, p_kind => 'step',"
        " p_name => 'a', p_outcome => 'Succeeded', p_tries => 1, p_elapsed_ms => 1, p_input_digest => null,"
        " p_value => '1')",
        f"select holdfast_v1.record_many({who}, p_keys => '{{b}}', p_sequences => '{{2}}', p_positions => '{{1}}',"
        " p_kinds => '{step}', p_names => '{b}', p_outcomes => '{Succeeded}', p_tries => '{1}', p_elapsed_ms => '{1}',"
        " p_input_digests => null, p_values => '{1}')",
        f"select holdfast_v1.heartbeat({who}, p_line_numbers => '{{1}}', p_line_ages_ms => '{{1}}',"
        " p_streams => '{stdout}', p_step_keys => '{a}', p_lines => '{line}')",
        f"select holdfast_v1.fetch({who}, p_keys => '{{a}}')",
        f"select holdfast_v1.finish({who}, p_outcome => 'Failed', p_class => 'App', p_reason => 'x', p_message => 'x',"
        " p_value => '1', p_retry_after_seconds => null, p_reopen_keys => '{}')",
    ]


async def _ran_as(session: Connection) -> set[str]:
    return set((await session.fetchval("select current_setting('spy.ran_as')::pg_catalog.varchar")).split())


@pytest.mark.parametrize("name", _TYPES)
async def test_a_temporary_type_of_a_builtin_name_is_not_used(
    control: ControlPlane, runner: Connection, name: str
) -> None:
    pod = await control.started()
    await runner.execute(_SPY)
    await runner.execute(f"create domain pg_temp.{name} as pg_catalog.{name} check (pg_temp.spy())")
    for call in _calls_in_plain_sql(pod):
        await runner.execute(call)
    assert (await control.run(pod.run_id))["state"] == "Backoff"
    assert "postgres" not in await _ran_as(runner)


@pytest.mark.parametrize("path", ["pg_temp", "pg_temp, pg_catalog", '"$user", public, pg_temp'])
async def test_temporary_objects_and_a_path_of_its_own_change_nothing(
    control: ControlPlane, runner: Connection, path: str
) -> None:
    pod = await control.started()
    await runner.execute(_SPY)
    await runner.execute(
        """
        create function pg_temp.sha256(pg_catalog.bytea) returns pg_catalog.bytea language sql
            as 'select case when pg_temp.spy() then $1 end';
        create function pg_temp.current_setting(pg_catalog.text) returns pg_catalog.text language sql
            as 'select case when pg_temp.spy() then ''read committed'' end';
        create function pg_temp.now() returns pg_catalog.timestamptz language sql
            as 'select case when pg_temp.spy() then pg_catalog.now() end';
        create function pg_temp.same(pg_catalog.bytea, pg_catalog.bytea) returns pg_catalog.bool language sql
            as 'select pg_temp.spy()';
        create operator pg_temp.= (leftarg = pg_catalog.bytea, rightarg = pg_catalog.bytea, function = pg_temp.same);
        create temporary table runs (id pg_catalog.uuid);
        create temporary table steps (id pg_catalog.uuid);
        create temporary table pg_advisory_xact_lock (id pg_catalog.uuid);
        """
    )
    await runner.execute(f"set search_path = {path}")
    for call in _calls_in_plain_sql(pod):
        await runner.execute(call)
    assert (await control.run(pod.run_id))["state"] == "Backoff"
    assert await _ran_as(runner) == set()


async def test_the_tricks_work_on_a_careless_function(connect: Connect, connect_runner: Connect) -> None:
    """What the tests above rely on: the same trick on a function that does not name `pg_temp`."""
    owner, runner = await connect(), await connect_runner()
    await owner.execute(
        """
        create schema careless; grant usage on schema careless to holdfast_runner;
        create function careless.work() returns pg_catalog.int4 language plpgsql security definer
        set search_path = pg_catalog as $$ declare v text := 'x'; begin return 1; end $$;
        """
    )
    try:
        await runner.execute(_SPY)
        await runner.execute("create domain pg_temp.text as pg_catalog.text check (pg_temp.spy())")
        await runner.execute("select careless.work()")
        assert await _ran_as(runner) == {"postgres"}
    finally:
        await runner.close()
        await owner.execute("drop schema careless cascade")


# --- other runs ------------------------------------------------------------------------------------------------------

_SECRETS = ("secret-name", "secret-task", "secret-tag", "secret-input", "secret-step", "secret-line", "secret-end")


async def _secretive(control: ControlPlane, state: State) -> Pod:
    """A run in ``state`` that is full of secrets."""
    run_id = await run_in(control, state)
    await control.connection.execute(
        """
        update holdfast.runs set name = 'secret-name' || id, task = 'secret-task', tags = '{secret-tag}',
            input = '"secret-input"', error = '"secret-end"', message = 'secret-end',
            result = case when state = 'Succeeded' then '"secret-end"' end
        where id = $1
        """,
        run_id,
    )
    await control.connection.execute(
        """
        insert into holdfast.steps values
            ($1, '0/work#1', 1, 1, 1, 1, now(), 0, 'step', 'Succeeded', 'secret-step', null, '"secret-step"')
        """,
        run_id,
    )
    await control.connection.execute(
        "insert into holdfast.logs values ($1, 1, 1, now(), 'stdout', null, 'secret-line')", run_id
    )
    return Pod(control.connection, run_id, (await control.run(run_id))["attempt"], "")


async def _leaks(error: asyncpg.PostgresError) -> set[str]:
    told = json.dumps({name: str(value) for name, value in error.as_dict().items()})
    return {secret for secret in _SECRETS if secret in told}


@pytest.mark.parametrize("state", list(State))
async def test_another_run_is_refused_and_nothing_of_it_is_told(
    control: ControlPlane, runner: Connection, state: State
) -> None:
    mine = await control.opened()
    other = await _secretive(control, state)
    before = await control.everything(other.run_id)
    for attempt in (0, other.attempt, other.attempt + 1, None):
        for session in (mine.session, b"", b"x" * 32, None):
            thief = Pod(runner, other.run_id, 0, mine.token, mine.session)
            for name, call in {**CALLS, "open": Pod.open}.items():
                with pytest.raises(asyncpg.PostgresError) as caught:
                    await call(thief, attempt=attempt, session=session)
                assert caught.value.sqlstate in (FENCED, BAD_SECRET), (name, attempt, session, caught.value)
                assert await _leaks(caught.value) == set()
    assert await control.everything(other.run_id) == before


async def test_an_old_token_is_worth_nothing(control: ControlPlane, runner: Connection) -> None:
    first = await control.opened()
    await first.record("0/work#1", '"secret-step"')
    second = await control.next_attempt(first)
    for session in (first.session, b"x" * 32):
        async with refused(FENCED):
            await first.on(runner).open(session=session)
        async with refused(BAD_SECRET):
            await first.on(runner).open(session=session, attempt=second.attempt)
    await second.open()
    await second.finish()
    for pod in (first, second):
        for session in (first.session, second.session, b"x" * 32):
            async with refused(FENCED):
                await pod.on(runner).open(session=session)


async def test_its_own_run_is_what_the_runner_can_use(control: ControlPlane, runner: Connection) -> None:
    """All of the above is refused for what it is, not because nothing works."""
    pod = (await control.started()).on(runner)
    assert (await pod.open())["task"] == "work"
    for call in ("record", "record_many", "heartbeat", "fetch"):
        await CALLS[call](pod)
    assert await pod.park("handover", 0.0) == "Waiting"
    await control.requeue(pod.run_id)
    following = (await control.admit(pod.run_id)).on(runner)
    steps = await following.history()
    assert [step["step_key"] for step in steps] == ["0/work#1"]
    assert await following.finish() == "Succeeded"


async def test_what_a_pod_gets_wrong_in_its_own_run_tells_nothing_of_others(
    control: ControlPlane, runner: Connection
) -> None:
    """Messages of the server show the failing row: it is one that this pod sent itself."""
    await _secretive(control, State.SUCCEEDED)
    pod = (await control.opened()).on(runner)
    broken: list[dict[str, Any]] = [{"outcome": "Done"}, {"key": None}, {"tries": -1}]
    for changed in broken:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as caught:
            await pod.record(**changed)
        assert await _leaks(caught.value) == set()
