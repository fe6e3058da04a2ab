"""Events, on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from holdfast_operator.events import Events
from holdfast_operator.kinds import EVENTS, TASK_RUNS, Object
from holdfast_operator.kube import Kube
from holdfast_operator.metrics import Metrics
from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.kube_clients import connected, task_run

LOST = ("Warning", "AttemptLost", "Attempt 1 was lost: its node is gone.")


@pytest.fixture
async def kube(api_server: ControlPlane) -> AsyncIterator[Kube]:
    async with connected(api_server.kubeconfig) as kube:
        yield kube


@pytest.fixture
def here(namespace: Kubectl) -> str:
    return str(namespace.namespace)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def events(kube: Kube, metrics: Metrics) -> Events:
    return Events(kube, metrics, "operator-1")


@pytest.fixture
async def run(kube: Kube, here: str) -> Object:
    """What Events are about."""
    return await kube.create(TASK_RUNS, here, task_run("order-42"))


async def posted(events: Events) -> None:
    """Wait until all of them are posted, or dropped."""
    events.start()
    await events.stop(60.0)


def dropped(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("holdfast_events_dropped_total")


async def test_an_event_says_what_happened_to_what(
    events: Events, run: Object, kube: Kube, here: str, namespace: Kubectl
) -> None:
    events.post(run, *LOST)
    await posted(events)
    (event,) = await kube.list(EVENTS, here)
    assert (event["type"], event["reason"], event["note"]) == LOST
    assert event["regarding"]["uid"] == run["metadata"]["uid"]
    assert event["reportingController"] == "holdfast.dev/operator"
    assert event["reportingInstance"] == "operator-1"
    described = await namespace("describe", "taskrun", "order-42")
    assert "AttemptLost" in described
    assert "its node is gone" in described


async def test_the_same_again_is_counted_in_the_first(events: Events, run: Object, kube: Kube, here: str) -> None:
    events.post(run, *LOST)
    await posted(events)
    for _ in range(2):
        events.post(run, *LOST)
    await posted(events)
    (event,) = await kube.list(EVENTS, here)
    assert event["series"]["count"] == 3
    assert event["series"]["lastObservedTime"] > event["eventTime"]


async def test_what_comes_at_once_is_one_event_with_its_number(
    events: Events, run: Object, kube: Kube, here: str
) -> None:
    for _ in range(5):
        events.post(run, *LOST)
    await posted(events)
    (event,) = await kube.list(EVENTS, here)
    assert event["series"]["count"] == 5


async def test_another_note_or_another_object_is_another_event(
    events: Events, run: Object, kube: Kube, here: str
) -> None:
    other = await kube.create(TASK_RUNS, here, task_run("order-43"))
    events.post(run, *LOST)
    events.post(run, "Warning", "AttemptLost", "Attempt 2 was lost: its node is gone.")
    events.post(other, *LOST)
    await posted(events)
    assert len(await kube.list(EVENTS, here)) == 3


async def test_an_event_that_was_cleaned_up_is_posted_anew(events: Events, run: Object, kube: Kube, here: str) -> None:
    events.post(run, *LOST)
    await posted(events)
    (first,) = await kube.list(EVENTS, here)
    await kube.delete(EVENTS, here, first["metadata"]["name"])
    events.post(run, *LOST)
    await posted(events)
    (second,) = await kube.list(EVENTS, here)
    assert second["metadata"]["name"] != first["metadata"]["name"]


async def test_a_note_that_is_too_long_for_the_api_is_cut(
    events: Events, run: Object, kube: Kube, here: str, metrics: Metrics
) -> None:
    events.post(run, "Warning", "AttemptFailed", "ä" * 2000)
    await posted(events)
    (event,) = await kube.list(EVENTS, here)
    assert event["note"].startswith("ä" * 500)
    assert dropped(metrics) == 0


async def test_what_is_refused_is_dropped_and_counted_and_the_rest_goes_on(
    api_server: ControlPlane, run: Object, kube: Kube, here: str, namespace: Kubectl, metrics: Metrics
) -> None:
    somebody = await api_server.kubectl_as(here, "default")
    async with connected(somebody.kubeconfig, registry=CollectorRegistry()) as without_rights:
        events = Events(without_rights, metrics, "operator-1")
        events.post(run, *LOST)
        await posted(events)
        assert dropped(metrics) == 1
        await namespace("create", "role", "poster", "--verb=create", "--resource=events.events.k8s.io")
        await namespace("create", "rolebinding", "poster", "--role=poster", f"--serviceaccount={here}:default")
        while not await kube.list(EVENTS, here):  # who authorizes learns of a role a moment later
            events.post(run, *LOST)
            await posted(events)


async def test_no_more_wait_than_there_is_room_for(
    events: Events, run: Object, kube: Kube, here: str, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast_operator.events.CAPACITY", 2)
    for number in range(5):
        events.post(run, "Normal", "AttemptStarted", f"Attempt {number} has started.")
    await posted(events)
    assert len(await kube.list(EVENTS, here)) == 2
    assert dropped(metrics) == 3
