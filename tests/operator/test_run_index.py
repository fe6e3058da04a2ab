"""Which TaskRun is which run: remembered as long as the TaskRun is there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from holdfast_operator.kinds import TASK_RUNS, Key
from holdfast_operator.run_index import RunIndex

RUN_ID = UUID("0190b7f0-0000-7000-8000-000000000001")
KEY = Key(TASK_RUNS, "shop", "order-42")


def task_run(uid: str = "u-1") -> dict[str, Any]:
    return {"metadata": {"name": "order-42", "namespace": "shop", "uid": uid}, "status": {}}


def test_a_task_run_is_known_until_it_is_deleted() -> None:
    index = RunIndex()
    index.note(RUN_ID, KEY, "u-1")
    index.note_image(RUN_ID, "shop@sha256:1f")
    assert index.keys_of(str(RUN_ID)) == {KEY}
    assert index.is_run(task_run(), RUN_ID)
    index.on_change(TASK_RUNS, task_run(), True)
    assert (index.keys_of(str(RUN_ID)), index.image_of(RUN_ID), index.deleted(KEY)) == (frozenset(), None, "u-1")


def test_one_that_was_deleted_before_its_run_was_accepted_is_not_remembered_for_ever() -> None:
    index = RunIndex()
    index.on_change(TASK_RUNS, task_run(), True)
    index.note(RUN_ID, KEY, "u-1")
    assert index.keys_of(str(RUN_ID)) == frozenset()
    assert not index.is_run(task_run(), RUN_ID)
    assert index.deleted(KEY) == "u-1", "its run is found by it, and canceled"


def test_one_that_was_made_again_is_another() -> None:
    index = RunIndex()
    index.on_change(TASK_RUNS, task_run(), True)
    index.note(RUN_ID, KEY, "u-2")
    assert index.is_run(task_run("u-2"), RUN_ID)
