"""Runs on the real node that wait for somebody, or for runs of their own: meanwhile they have no pod."""

from __future__ import annotations

from tests.cluster.node_scene import NodeScene

COMPLETE = "select holdfast.complete_token(t.id, $2) from holdfast.tokens t where t.run_id = $1"


async def test_a_run_waits_without_a_pod_until_somebody_answers(scene: NodeScene) -> None:
    await scene.apply("asks")
    await scene.until_phase("Waiting")
    await scene.until_no_pod_lives()
    run = await scene.row()
    assert (run["wait_kind"], run["wake_at"], run["session_hash"]) == ("token", None, None)

    await scene.installation.rows(COMPLETE, run["id"], '"yes"')

    status = await scene.until_phase("Succeeded")
    assert status["result"] == ["before in attempt 1", "yes", "after in attempt 2"]
    assert (status["failures"], status["disruptions"]) == (0, 0)


async def test_an_answer_finds_the_run_whose_pod_was_killed_while_it_waited(scene: NodeScene) -> None:
    scene.witness.hold("after")
    await scene.apply("asks")
    await scene.witness.arrival("before")
    await scene.kill("run-1")
    await scene.until_phase("Waiting")
    await scene.installation.rows(COMPLETE, (await scene.row())["id"], '"yes"')
    await scene.witness.arrival("after")
    await scene.kill(f"run-{(await scene.row())['attempt']}")
    scene.witness.release("after")
    status = await scene.until_phase("Succeeded")
    assert status["result"][1] == "yes"


async def test_children_have_pods_and_taskruns_of_their_own_while_their_parent_has_none(scene: NodeScene) -> None:
    scene.witness.hold("here", "there")
    await scene.apply("has_children", "parent")
    await scene.witness.arrival("here")
    await scene.witness.arrival("there")
    await scene.until_phase("Waiting", "parent")
    runs = await scene.kubectl.list_all("taskruns")
    children = sorted(run["metadata"]["name"] for run in runs if run["metadata"]["name"] != "parent")
    assert len(children) == 2
    scene.witness.release("here", "there")

    status = await scene.until_phase("Succeeded", "parent")
    assert status["result"] == ["here in attempt 1", "there in attempt 1"]
    for child in children:
        assert (await scene.until_phase("Succeeded", child))["attempt"] == 1
