"""The store: the newest version of each object wins, and what is gone does not come back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast_operator.kinds import PODS, TASK_RUNS, Key, Kind, Object
from holdfast_operator.listing import Listing
from holdfast_operator.objects import RUN_ID_ANNOTATION, uid_of
from holdfast_operator.store import Store
from holdfast_operator.trim import trimmed

RUN_ID = "0190b7f0-0000-7000-8000-000000000001"


def thing(kind: Kind, name: str, version: int, *, uid: str = "", run_id: str | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "shop",
        "uid": uid or f"uid of {name}",
        "resourceVersion": str(version),
        "managedFields": [{"manager": "kubectl"}],
    }
    if run_id:
        metadata["annotations"] = {RUN_ID_ANNOTATION: run_id, "else": "unread"}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": {}, "status": {}}


@pytest.fixture
def store() -> Store:
    return Store()


def listing(kind: Kind, version: int, *items: Object) -> Listing:
    return Listing([trimmed(kind, item) for item in items], version)


def test_an_older_version_is_no_news(store: Store) -> None:
    assert store.put(TASK_RUNS, thing(TASK_RUNS, "a", 10))
    assert not store.put(TASK_RUNS, thing(TASK_RUNS, "a", 9))
    assert not store.put(TASK_RUNS, thing(TASK_RUNS, "a", 10))
    assert store.put(TASK_RUNS, thing(TASK_RUNS, "a", 11))
    assert len(store.all(TASK_RUNS)) == 1


def test_what_was_removed_does_not_come_back_by_a_late_message(store: Store) -> None:
    store.put(TASK_RUNS, thing(TASK_RUNS, "a", 10))
    assert store.remove(TASK_RUNS, "shop", "a")
    assert not store.put(TASK_RUNS, thing(TASK_RUNS, "a", 12))
    assert store.get(TASK_RUNS, "shop", "a") is None
    assert store.put(TASK_RUNS, thing(TASK_RUNS, "a", 13, uid="another")), "made again, it is another one"


def test_what_the_api_server_itself_says_is_there_comes_back(store: Store) -> None:
    store.put(PODS, thing(PODS, "a", 10))
    store.remove(PODS, "shop", "a")
    assert store.restore(PODS, thing(PODS, "a", 10))
    assert store.put(PODS, thing(PODS, "a", 11)), "and is followed from there on"


def test_a_late_deletion_does_not_remove_what_came_after_it(store: Store) -> None:
    store.put(TASK_RUNS, thing(TASK_RUNS, "a", 20, uid="second"))
    assert not store.note_deleted(TASK_RUNS, thing(TASK_RUNS, "a", 15, uid="first"))
    assert store.get(TASK_RUNS, "shop", "a") is not None
    assert not store.put(TASK_RUNS, thing(TASK_RUNS, "a", 21, uid="first"))


def test_a_pod_that_names_another_run_now_is_no_pod_of_the_first(store: Store) -> None:
    store.put(PODS, thing(PODS, "a-1", 1, run_id=RUN_ID))
    store.put(PODS, thing(PODS, "a-1", 2, run_id="another"))
    assert store.pods_of(RUN_ID) == []
    store.put(PODS, thing(PODS, "a-1", 3))
    assert store.pods_of("another") == []
    assert store.remove(PODS, "shop", "a-1")


def test_an_object_that_replaces_another_is_told_as_a_deletion_and_an_arrival(store: Store) -> None:
    told: list[tuple[str, bool]] = []
    store.on_change(lambda kind, object, is_deleted: told.append((uid_of(object), is_deleted)))
    store.put(PODS, thing(PODS, "a", 1, uid="first", run_id=RUN_ID))
    store.put(PODS, thing(PODS, "a", 2, uid="second", run_id=RUN_ID))
    assert told == [("first", False), ("first", True), ("second", False)]
    assert [uid_of(pod) for pod in store.pods_of(RUN_ID)] == ["second"]


def test_pods_are_found_by_their_run(store: Store) -> None:
    store.put(PODS, thing(PODS, "a-1", 1, run_id=RUN_ID))
    store.put(PODS, thing(PODS, "a-2", 2, run_id=RUN_ID))
    store.put(PODS, thing(PODS, "b-1", 3, run_id="another"))
    assert [pod["metadata"]["name"] for pod in store.pods_of(RUN_ID)] == ["a-1", "a-2"]
    store.put(PODS, thing(PODS, "a-1", 4, run_id=RUN_ID))
    assert len(store.pods_of(RUN_ID)) == 2
    store.remove(PODS, "shop", "a-1")
    store.remove(PODS, "shop", "a-2")
    assert store.pods_of(RUN_ID) == []


def test_a_list_removes_what_it_does_not_show(store: Store) -> None:
    store.put(TASK_RUNS, thing(TASK_RUNS, "kept", 1))
    store.put(TASK_RUNS, thing(TASK_RUNS, "gone", 2))
    store.put(TASK_RUNS, thing(TASK_RUNS, "changed", 3))
    changed = store.replace_all(
        TASK_RUNS,
        listing(TASK_RUNS, 10, thing(TASK_RUNS, "kept", 1), thing(TASK_RUNS, "changed", 7), thing(TASK_RUNS, "new", 8)),
    )
    assert changed == {Key(TASK_RUNS, "shop", name) for name in ("gone", "changed", "new")}
    assert {item["metadata"]["name"] for item in store.all(TASK_RUNS)} == {"kept", "changed", "new"}


def test_a_list_does_not_remove_what_came_after_it(store: Store) -> None:
    store.put(TASK_RUNS, thing(TASK_RUNS, "later", 11))
    store.put(TASK_RUNS, thing(TASK_RUNS, "newer", 12))
    changed = store.replace_all(TASK_RUNS, listing(TASK_RUNS, 10, thing(TASK_RUNS, "newer", 9)))
    assert changed == set()
    assert {item["metadata"]["name"] for item in store.all(TASK_RUNS)} == {"later", "newer"}


def test_a_list_of_one_namespace_says_nothing_about_another(store: Store) -> None:
    store.put(TASK_RUNS, thing(TASK_RUNS, "a", 1))
    assert store.replace_all(TASK_RUNS, listing(TASK_RUNS, 10), "elsewhere") == set()
    assert store.replace_all(TASK_RUNS, listing(TASK_RUNS, 10), "shop") == {Key(TASK_RUNS, "shop", "a")}


def test_it_keeps_what_is_read_and_nothing_else(store: Store) -> None:
    pod = thing(PODS, "a", 1, run_id=RUN_ID)
    pod["spec"] = {"nodeName": "n1", "containers": [{"image": "large"}]}
    pod["status"] = {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Initialized", "status": "True"}],
        "containerStatuses": [{"name": "task", "state": {"running": {}}, "image": "large"}],
    }
    store.put(PODS, pod)
    kept = store.get(PODS, "shop", "a")
    assert kept is not None
    assert kept["metadata"]["annotations"] == {RUN_ID_ANNOTATION: RUN_ID}
    assert "managedFields" not in kept["metadata"]
    assert kept["spec"] == {"nodeName": "n1"}
    assert kept["status"]["conditions"] == [{"type": "PodScheduled", "status": "True"}]
    assert kept["status"]["containerStatuses"] == [{"name": "task", "state": {"running": {}}}]


def test_objects_share_the_keys_that_each_parsed_text_has_of_its_own() -> None:
    text = json.dumps({**thing(TASK_RUNS, "a", 1), "status": {"runID": RUN_ID, "attempts": [{"number": 1}]}})
    one, other = (trimmed(TASK_RUNS, json.loads(text)) for _ in range(2))
    for a, b in (
        (one["status"], other["status"]),
        (one["status"]["attempts"][0], other["status"]["attempts"][0]),
        (one["metadata"], other["metadata"]),
    ):
        assert [id(key) for key in a] == [id(key) for key in b]


def test_the_input_is_kept_until_the_run_is_accepted(store: Store) -> None:
    run = thing(TASK_RUNS, "a", 1)
    run["spec"] = {"input": {"order": 1}, "task": {"image": "x"}, "queueName": "orders"}
    assert trimmed(TASK_RUNS, run)["spec"] == run["spec"]
    run["status"] = {"runID": RUN_ID}
    assert trimmed(TASK_RUNS, run)["spec"] == {"queueName": "orders"}
