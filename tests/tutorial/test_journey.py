"""The journey: booked as a whole or not at all, whoever is killed, and whoever calls it off when."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.saga import ledger
from examples.saga.travel import book_journey
from holdfast.testing import TaskEnvironment
from tests.support.killed_processes import KilledProcesses

SERVICES = ("flights", "payments", "rooms")
POSSIBLE = {"traveler": "ada", "to": "Lisbon", "cents": 90000}
IMPOSSIBLE = {**POSSIBLE, "to": "Atlantis"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the services are: the oracle outside of the database."""
    monkeypatch.setenv("SAGA_FOLDER", str(tmp_path / "ledger"))
    return tmp_path / "ledger"


def requests(folder: Path, *, once: bool) -> list[str]:
    """What the services were asked, without ids; those that were repeated only once, if asked for."""
    lines = [line.rpartition(" ")[0] for line in (folder / "requests").read_text().splitlines()]
    return list(dict.fromkeys(lines)) if once else lines


async def test_a_journey_is_booked_as_a_whole(environment: TaskEnvironment, folder: Path) -> None:
    run = await environment.run(book_journey, **POSSIBLE)
    assert run.state == "Succeeded", run.message
    assert [ledger.held(service) for service in SERVICES] == [
        ["ada to Lisbon"],
        ["90000 cents of ada"],
        ["ada in Lisbon"],
    ]


async def test_one_that_fails_leaves_nothing_behind(environment: TaskEnvironment, folder: Path) -> None:
    run = await environment.run(book_journey, **IMPOSSIBLE)
    assert run.state == "Failed"
    assert "no room in Atlantis" in (run.message or "")
    assert [ledger.held(service) for service in SERVICES] == [[], [], []]
    assert requests(folder, once=False) == ["put flights", "put payments", "take out payments", "take out flights"]


async def test_killed_wherever_it_works_it_undoes_all_in_reverse(processes: KilledProcesses, folder: Path) -> None:
    deaths = ["after body|book_flight", "after record|charge", "after body|compensate", "after record|compensate"]
    processes.deaths = {book_journey.entrypoint: deaths}
    run = await processes.run(book_journey, **IMPOSSIBLE)
    assert (run.state, processes.kills) == ("Failed", len(deaths))
    assert [ledger.held(service) for service in SERVICES] == [[], [], []]
    assert requests(folder, once=True) == ["put flights", "put payments", "take out payments", "take out flights"]
    # what died between its body and its record was asked for twice, nothing else was
    assert sorted(requests(folder, once=False)) == sorted(
        ["put flights"] * 2 + ["put payments"] + ["take out payments"] * 2 + ["take out flights"]
    )


async def test_one_that_is_called_off_while_it_waits_is_undone(environment: TaskEnvironment, folder: Path) -> None:
    waiting = await environment.run(book_journey, **POSSIBLE, ask=True)
    assert (waiting.state, ledger.held("flights")) == ("Waiting", ["ada to Lisbon"])

    run = await environment.cancel(waiting, book_journey)

    assert run.state == "Canceled"
    assert [ledger.held(service) for service in SERVICES] == [[], [], []]
