"""A run in every state, brought there by what really brings runs there."""

from __future__ import annotations

from uuid import UUID

from holdfast.domain.states import State
from tests.support.protocol import ControlPlane


async def run_in(control: ControlPlane, state: State) -> UUID:
    """Accept a run and bring it into ``state``."""
    run_id = await _BY_STATE[state](control)
    assert (await control.run(run_id))["state"] == state
    return run_id


async def _delayed(control: ControlPlane) -> UUID:
    return await control.trigger(delay_seconds=3600)


async def _queued(control: ControlPlane) -> UUID:
    return await control.trigger()


async def _starting(control: ControlPlane) -> UUID:
    return (await control.started()).run_id


async def _running(control: ControlPlane) -> UUID:
    return (await control.opened(active_deadline_seconds=3600)).run_id


async def _waiting(control: ControlPlane) -> UUID:
    pod = await control.opened()
    await pod.park("timer", 3600.0)
    return pod.run_id


async def _backoff(control: ControlPlane) -> UUID:
    pod = await control.opened()
    await pod.finish("Failed")
    return pod.run_id


async def _suspended(control: ControlPlane) -> UUID:
    return await control.trigger(suspend=True)


async def _canceling(control: ControlPlane) -> UUID:
    run_id = await _running(control)
    await control.call("cancel_run", run_id)
    return run_id


async def _succeeded(control: ControlPlane) -> UUID:
    pod = await control.opened()
    await pod.finish()
    return pod.run_id


async def _failed(control: ControlPlane) -> UUID:
    pod = await control.opened(max_attempts=1)
    await pod.finish("Failed")
    return pod.run_id


async def _timed_out(control: ControlPlane) -> UUID:
    run_id = await _running(control)
    await control.connection.execute(
        "update holdfast.runs set run_deadline_at = holdfast.now() - interval '1 s' where id = $1", run_id
    )
    await control.call("time_out_run", run_id)
    return run_id


async def _canceled(control: ControlPlane) -> UUID:
    run_id = await _queued(control)
    await control.call("cancel_run", run_id)
    return run_id


async def _expired(control: ControlPlane) -> UUID:
    run_id = await control.trigger(expire_after_seconds=0)
    await control.call("expire_runs", [run_id])
    return run_id


_BY_STATE = {
    State.DELAYED: _delayed,
    State.QUEUED: _queued,
    State.STARTING: _starting,
    State.RUNNING: _running,
    State.WAITING: _waiting,
    State.BACKOFF: _backoff,
    State.SUSPENDED: _suspended,
    State.CANCELING: _canceling,
    State.SUCCEEDED: _succeeded,
    State.FAILED: _failed,
    State.TIMED_OUT: _timed_out,
    State.CANCELED: _canceled,
    State.EXPIRED: _expired,
}
