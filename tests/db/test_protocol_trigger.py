"""Accepting a run: exactly one per idempotency key, if and only if the caller commits, and nothing half understood."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest

from holdfast.contract.limits import INPUT_LIMIT_BYTES
from tests.support.protocol import CONFLICT, LIMIT, NOT_FOUND, ControlPlane, refused

if TYPE_CHECKING:
    from tests.db.conftest import Connect

    Connection = asyncpg.Connection[asyncpg.Record]

TRIGGER = "select * from holdfast.trigger_run('tests', $1, $2, $3)"


async def _accept(
    connection: Connection, task: str = "work", input_text: str | None = "{}", **options: Any
) -> asyncpg.Record:
    wanted = {"entrypoint": "tasks:work", "queue": "triggered", **options}
    row = await connection.fetchrow(TRIGGER, task, input_text, json.dumps(wanted))
    assert row is not None
    return row


async def _register(connection: Connection, name: str, **columns: Any) -> None:
    await connection.execute(
        "insert into holdfast.tasks (namespace, name, entrypoint, queue, spec) values ('tests', $1, $2, $3, $4)",
        name,
        columns.get("entrypoint", "tasks:registered"),
        columns.get("queue", "triggered"),
        json.dumps(columns.get("spec", {})),
    )


async def test_a_run_with_nothing_but_an_entrypoint(control: ControlPlane) -> None:
    accepted = await _accept(control.connection, "Send_mail")
    run = await control.run(accepted["run_id"])
    assert accepted["created"] is True
    assert re.fullmatch(r"send-mail-[0-9a-f]{12}", run["name"])
    assert accepted["run_name"] == run["name"]
    assert (run["state"], run["attempt"], run["input"]) == ("Queued", 0, "{}")
    assert (run["max_attempts"], run["backoff_seconds"], run["max_backoff_seconds"]) == (3, 1, 60)
    assert (run["multiplier_percent"], run["disruption_limit"]) == (200, 20)
    assert (run["pending_deadline_seconds"], run["lease_seconds"]) == (600, 30)
    assert run["created_at"] == run["queued_at"]
    for column in ("run_deadline_seconds", "ttl_seconds", "due_at", "expire_at", "concurrency_key", "launcher"):
        assert run[column] is None, column


async def test_every_option_arrives(control: ControlPlane) -> None:
    options = {
        "name": f"run-{uuid4()}",
        "queue": "other",
        "entrypoint": "a.b:c",
        "priority": -3,
        "concurrency_key": "customer",
        "idempotency_key": "🦑",
        "tags": ["b", "a"],
        "max_attempts": 9,
        "backoff_seconds": 2.5,
        "max_backoff_seconds": 30.0,
        "multiplier_percent": 150,
        "disruption_limit": 4,
        "attempt_deadline_seconds": 50,
        "pending_deadline_seconds": 25,
        "lease_seconds": 12,
        "ttl_seconds": 0,
        "launcher": "mine",
    }
    accepted = await _accept(control.connection, active_deadline_seconds=100, template={"image": "x"}, **options)
    run = await control.run(accepted["run_id"])
    assert {name: run[name] for name in options} == options
    assert (run["run_deadline_seconds"], json.loads(run["template"])) == (100, {"image": "x"})


async def test_a_task_that_nobody_registered(control: ControlPlane) -> None:
    async with refused(NOT_FOUND, "no task 'nobody''s' in namespace 'tests'"):
        await control.connection.fetchrow(TRIGGER, "nobody's", "{}", "{}")


async def test_what_is_not_said_comes_from_the_task(control: ControlPlane) -> None:
    task = uuid4().hex
    defaults = {"max_attempts": 7, "priority": 5, "lease_seconds": None, "entrypoint": None}
    await _register(
        control.connection, task, queue="orders", spec={"defaults": defaults, "template": {"image": "x", "env": 1}}
    )
    row = await control.connection.fetchrow(
        TRIGGER, task, "{}", json.dumps({"priority": 6, "template": {"env": 2}, "queue": None})
    )
    run = await control.run(row["run_id"])
    assert (run["entrypoint"], run["queue"]) == ("tasks:registered", "orders")
    assert (run["max_attempts"], run["priority"], run["lease_seconds"]) == (7, 6, 30)
    assert json.loads(run["template"]) == {"image": "x", "env": 2}


async def test_no_options_at_all(control: ControlPlane) -> None:
    task = uuid4().hex
    await _register(control.connection, task, spec={"defaults": {"max_attempts": 7}})
    for options in (None, "{}"):
        row = await control.connection.fetchrow(TRIGGER, task, "{}", options)
        assert (await control.run(row["run_id"]))["max_attempts"] == 7


async def test_a_command_needs_no_entrypoint(control: ControlPlane) -> None:
    row = await control.connection.fetchrow(TRIGGER, "shell", "{}", '{"template": {"command": ["true"]}}')
    assert (await control.run(row["run_id"]))["entrypoint"] is None


async def test_unknown_options_are_all_named(control: ControlPlane) -> None:
    async with refused(CONFLICT, "unknown trigger options: prio, quue"):
        await _accept(control.connection, prio=1, quue="x")


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": 0},
        {"backoff_seconds": -1},
        {"backoff_seconds": 1e10},
        {"max_backoff_seconds": "NaN"},
        {"multiplier_percent": 99},
        {"multiplier_percent": 10_001},
        {"disruption_limit": -1},
        {"active_deadline_seconds": 0},
        {"attempt_deadline_seconds": 0},
        {"pending_deadline_seconds": 0},
        {"lease_seconds": 0},
        {"ttl_seconds": -1},
        {"concurrency_key": ""},
        {"concurrency_key": "x" * 201},
        {"idempotency_key": ""},
        {"idempotency_key": "x" * 501},
        {"launcher": ""},
        {"name": ""},
        {"name": "x" * 254},
        {"queue": ""},
        {"queue": "x" * 64},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_options_out_of_their_bounds(control: ControlPlane, options: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await _accept(control.connection, **options)


@pytest.mark.parametrize(
    "options",
    [{"priority": 1.5}, {"max_attempts": "many"}, {"start_after": "soon"}, {"tags": "a"}, {"delay_seconds": 1e300}],
    ids=repr,
)
async def test_options_of_the_wrong_type(control: ControlPlane, options: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.DataError):
        await _accept(control.connection, **options)


@pytest.mark.parametrize("task", ["", "x" * 201])
async def test_names_of_tasks_are_bounded(control: ControlPlane, task: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await _accept(control.connection, task)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("задача", "[0-9a-f]{12}"),
        ("--", "[0-9a-f]{12}"),
        ("_Import.v2!", "import-v2-[0-9a-f]{12}"),
        ("x" * 200, "x{50}-[0-9a-f]{12}"),
        ("x" * 49 + "_y", "x{49}-[0-9a-f]{12}"),
    ],
)
async def test_a_name_is_made_that_kubernetes_takes(control: ControlPlane, task: str, name: str) -> None:
    assert re.fullmatch(name, (await _accept(control.connection, task))["run_name"])


# --- input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "input_text",
    [
        '{"nul": "\\u0000", "surrogate": "\\ud800", "key \\u0000": 1}',
        '{"ünïcode": "🦑 \u202e", "big": 123456789012345678901234567890.5}',
        '  {"spaces":   1, "twice": 1, "twice": 2}\n',
    ],
)
async def test_the_input_is_kept_to_the_letter(control: ControlPlane, input_text: str) -> None:
    accepted = await _accept(control.connection, "work", input_text, launcher=(launcher := uuid4().hex))
    assert (await control.run(accepted["run_id"]))["input"] == input_text
    pod = await control.admit(accepted["run_id"])
    assert (await pod.open())["input"] == input_text
    assert launcher


@pytest.mark.parametrize("input_text", ["[]", "1", '"text"', "null", None])
async def test_the_input_must_be_an_object(control: ControlPlane, input_text: str | None) -> None:
    async with refused(CONFLICT, "the input must be a JSON object"):
        await _accept(control.connection, "work", input_text)


@pytest.mark.parametrize("input_text", ["", "{", "{'a': 1}", '{"a": NaN}', '{"a": "\\ux"}', '{"a": "\n"}'])
async def test_the_input_must_be_json(control: ControlPlane, input_text: str) -> None:
    with pytest.raises(asyncpg.InvalidTextRepresentationError, match="invalid input syntax for type json"):
        await _accept(control.connection, "work", input_text)


async def test_the_input_has_a_limit_in_bytes(control: ControlPlane) -> None:
    largest = '{"a": "' + "ü" * ((INPUT_LIMIT_BYTES - 9) // 2) + '"}'
    largest += " " * (INPUT_LIMIT_BYTES - len(largest.encode()))
    accepted = await _accept(control.connection, "work", largest)
    assert (await control.run(accepted["run_id"]))["input"] == largest
    async with refused(
        LIMIT, f"the input is {INPUT_LIMIT_BYTES + 1} bytes of JSON, over the limit of {INPUT_LIMIT_BYTES}"
    ):
        await _accept(control.connection, "work", largest + " ")


# --- when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "state", "goes_on_as"),
    [
        ({"delay_seconds": 60}, "Delayed", "Delayed"),
        ({"delay_seconds": 0}, "Queued", "Queued"),
        ({"delay_seconds": -60}, "Queued", "Queued"),
        ({"start_after": "2999-01-01T00:00:00Z"}, "Delayed", "Delayed"),
        ({"start_after": "2020-01-01T00:00:00+02:00"}, "Queued", "Queued"),
        ({"suspend": True}, "Suspended", "Queued"),
        ({"suspend": False}, "Queued", "Queued"),
        ({"suspend": True, "delay_seconds": 60}, "Suspended", "Delayed"),
        ({"suspend": True, "delay_seconds": -60}, "Suspended", "Queued"),
    ],
    ids=repr,
)
async def test_the_first_state(control: ControlPlane, options: dict[str, Any], state: str, goes_on_as: str) -> None:
    run = await control.run((await _accept(control.connection, **options))["run_id"])
    assert run["state"] == state
    assert (run["due_at"] is not None) == (goes_on_as == "Delayed")
    assert await control.call("unsuspend_run", run["id"]) == goes_on_as


async def test_times_count_from_the_acceptance(control: ControlPlane) -> None:
    accepted = await _accept(control.connection, delay_seconds=60.5, expire_after_seconds=90)
    run = await control.run(accepted["run_id"])
    assert run["due_at"] - run["created_at"] == timedelta(seconds=60.5)
    assert run["expire_at"] - run["created_at"] == timedelta(seconds=90)


# --- exactly one -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "named"])
async def test_twenty_callers_with_one_key_make_one_run(
    control: ControlPlane, connect: Connect, name: str | None
) -> None:
    key = uuid4().hex
    options = {"idempotency_key": key} if name is None else {"idempotency_key": key, "name": f"{name}-{key}"}
    connections = [await connect() for _ in range(20)]
    answers = await asyncio.gather(*(_accept(connection, **options) for connection in connections))
    assert len({(answer["run_id"], answer["run_name"]) for answer in answers}) == 1
    assert sorted(answer["created"] for answer in answers) == [False] * 19 + [True]
    assert await control.connection.fetchval("select count(*) from holdfast.runs where idempotency_key = $1", key) == 1


async def test_a_key_belongs_to_a_task(control: ControlPlane) -> None:
    key = uuid4().hex
    first = await _accept(control.connection, "one", idempotency_key=key)
    second = await _accept(control.connection, "two", idempotency_key=key)
    assert first["run_id"] != second["run_id"]
    assert second["created"]


@pytest.mark.parametrize("state", ["Succeeded", "Failed", "Canceled"])
async def test_a_key_finds_a_run_that_has_ended(control: ControlPlane, state: str) -> None:
    key = uuid4().hex
    pod = await control.opened(idempotency_key=key, max_attempts=1)
    if state == "Canceled":
        await control.call("cancel_run", pod.run_id)
        await pod.finish("Canceled")
    else:
        await pod.finish(state)
    again = await _accept(control.connection, idempotency_key=key)
    assert (again["run_id"], again["created"]) == (pod.run_id, False)


async def test_a_key_whose_first_caller_has_not_committed_is_waited_for(
    control: ControlPlane, connect: Connect
) -> None:
    key = uuid4().hex
    first, second, third = [await connect() for _ in range(3)]
    transaction = first.transaction()
    await transaction.start()
    await _accept(first, idempotency_key=key)
    waiting = asyncio.create_task(_accept(second, idempotency_key=key))
    await transaction.rollback()
    answer = await waiting
    assert answer["created"] is True
    assert (await _accept(third, idempotency_key=key))["run_id"] == answer["run_id"]


async def test_a_name_is_taken_once(control: ControlPlane) -> None:
    name = f"run-{uuid4()}"
    await _accept(control.connection, name=name)
    async with refused(CONFLICT, f"a run named '{name}' exists already in namespace 'tests'"):
        await _accept(control.connection, name=name)
    async with refused(CONFLICT, name):
        await _accept(control.connection, name=name, idempotency_key="another")


async def test_an_application_triggers_in_its_own_transaction(control: ControlPlane, connect: Connect) -> None:
    """The run exists if and only if the transaction commits; until then nobody hears of it."""
    heard: list[str] = []
    await control.connection.add_listener("holdfast", lambda *told: heard.append(told[3]))
    application = await connect()
    await application.execute("create temporary table orders (id uuid)")
    transaction = application.transaction()
    await transaction.start()
    given_up = (await _accept(application))["run_id"]
    await application.execute("insert into orders values ($1)", given_up)
    assert await control.connection.fetchrow("select from holdfast.runs where id = $1", given_up) is None
    await transaction.rollback()

    async with application.transaction():
        accepted = (await _accept(application))["run_id"]
        with pytest.raises(asyncpg.PostgresError):
            async with application.transaction():
                await _accept(application, prio=1)
    await control.connection.execute("select 1")
    assert (await control.run(accepted))["state"] == "Queued"
    assert await control.connection.fetchrow("select from holdfast.runs where id = $1", given_up) is None
    assert [told for told in heard if str(given_up) in told or str(accepted) in told] == [f"Queued {accepted}"]


async def test_ids_grow_with_time(control: ControlPlane) -> None:
    ids = []
    for _ in range(20):
        await control.connection.execute("select pg_sleep(0.001)")
        ids.append((await _accept(control.connection))["run_id"])
    assert ids == sorted(ids)
    assert {run_id.version for run_id in ids} == {7}


_OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"queue": "other", "priority": 7, "tags": ["b", "a"], "max_attempts": 9, "template": {"image": "mine"}},
    {"delay_seconds": 60, "expire_after_seconds": 90, "suspend": True},
    {"start_after": "2001-01-01T00:00:00Z", "concurrency_key": "customer", "launcher": "mine", "ttl_seconds": 0},
    {"backoff_seconds": 2.5, "max_backoff_seconds": 30.0, "multiplier_percent": 150, "disruption_limit": 4},
    {"active_deadline_seconds": 100, "attempt_deadline_seconds": 50, "pending_deadline_seconds": 25},
)
TRIGGER_ALL = "select * from holdfast.trigger_runs('tests', $1, $2, $3) order by number"


async def test_many_at_once_are_what_they_are_one_by_one(control: ControlPlane) -> None:
    spec = {"defaults": {"priority": 3, "ttl_seconds": 5}, "template": {"cpu": "2"}}
    await _register(control.connection, "registered", queue="mine", spec=spec)
    tasks = ["registered", "loose"] * len(_OPTIONS)
    options = [{"entrypoint": "a.b:c", **each} for each in _OPTIONS for _ in range(2)]
    inputs = [json.dumps({"number": number}) for number in range(len(tasks))]
    async with control.connection.transaction():  # in which no time passes
        alone = [
            await control.connection.fetchrow(TRIGGER, *arguments)
            for arguments in zip(tasks, inputs, map(json.dumps, options), strict=True)
        ]
        together = await control.connection.fetch(TRIGGER_ALL, tasks, inputs, list(map(json.dumps, options)))
    assert [row["number"] for row in together] == list(range(1, len(tasks) + 1))
    assert all(row["created"] for row in together)
    for one, other in zip(alone, together, strict=True):
        assert one is not None
        first, second = dict(await control.run(one["run_id"])), dict(await control.run(other["run_id"]))
        assert (first.pop("name"), second.pop("name")) == (one["run_name"], other["run_name"])
        assert first.pop("id") != second.pop("id")
        assert first == second


async def test_many_at_once_are_all_or_none(control: ControlPlane) -> None:
    before = await control.connection.fetchval("select count(*) from holdfast.runs")
    for wrong, code in ({"entrypoint": "a:b", "nonsense": 1}, CONFLICT), ({}, NOT_FOUND):
        async with refused(code):
            await control.connection.fetch(
                TRIGGER_ALL, ["nobody-knows"] * 2, ["{}"] * 2, ['{"entrypoint": "a:b"}', json.dumps(wrong)]
            )
    async with refused(CONFLICT):
        await control.connection.fetch(TRIGGER_ALL, ["t"] * 2, ["{}", "[]"], ['{"entrypoint": "a:b"}'] * 2)
    assert await control.connection.fetchval("select count(*) from holdfast.runs") == before


async def test_many_at_once_find_what_was_there_before(control: ControlPlane) -> None:
    earlier = await _accept(control.connection, idempotency_key="known")
    keys = ["new", "known", "new"]
    options = [json.dumps({"entrypoint": "tasks:work", "idempotency_key": key}) for key in keys]
    rows = await control.connection.fetch(TRIGGER_ALL, ["work"] * 3, ["{}"] * 3, options)
    assert [row["created"] for row in rows] == [True, False, False]
    assert rows[1]["run_id"] == earlier["run_id"]
    assert rows[0]["run_id"] == rows[2]["run_id"]
