"""The life of a run as one table.

Two rules:

1. Everything that decides which state may follow which lives in ``TRANSITIONS``. The database trigger that refuses any
   other change and the picture in the docs are generated from it (``make generate``).
2. An event that a state does not list raises ``IllegalTransition`` and changes nothing.

Slots of a queue are held in ``HOLDS_SLOT`` only: a run that waits costs rows, not slots.

A run that ends without success, and has steps to compensate or hooks to call, is *closed* first: it goes to its queue
once more (by way of Backoff, if an attempt was under way), and the attempt that it then gets does that instead of
calling the task.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from holdfast.domain.errors import HoldfastError


class State(StrEnum):
    """Where a run stands. The values are the database's."""

    DELAYED = "Delayed"
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    WAITING = "Waiting"
    BACKOFF = "Backoff"
    SUSPENDED = "Suspended"
    CANCELING = "Canceling"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    CANCELED = "Canceled"
    EXPIRED = "Expired"


class Event(StrEnum):
    """What can happen to a run."""

    DUE = "due"
    ADMIT = "admit"
    OPEN = "open"
    PARK = "park"
    WAKE = "wake"
    RETRY = "retry"
    SUCCEED = "succeed"
    FAIL = "fail"
    TIME_OUT = "time out"
    EXPIRE = "expire"
    EXPIRED = "expired"
    CANCEL = "cancel"
    CANCELED = "canceled"
    SUSPEND = "suspend"
    UNSUSPEND = "unsuspend"
    UNSUSPEND_DELAYED = "unsuspend delayed"
    UNSUSPEND_WAITING = "unsuspend waiting"
    RESUME = "resume"
    CLOSE = "close"


class IllegalTransition(HoldfastError):
    """The event does not apply in this state; nothing was changed."""

    def __init__(self, state: State, event: Event) -> None:
        allowed = ", ".join(TRANSITIONS[state]) or "none, it is final"
        super().__init__(f"a run in state {state} cannot take the event '{event}' (it takes: {allowed})")
        self.state = state
        self.event = event


def _frozen(table: dict[State, dict[Event, State]]) -> Mapping[State, Mapping[Event, State]]:
    return MappingProxyType({state: MappingProxyType(events) for state, events in table.items()})


TRANSITIONS: Mapping[State, Mapping[Event, State]] = _frozen(
    {
        State.DELAYED: {
            Event.DUE: State.QUEUED,
            Event.EXPIRE: State.EXPIRED,
            Event.CANCEL: State.CANCELED,
            Event.SUSPEND: State.SUSPENDED,
            Event.CLOSE: State.QUEUED,
        },
        State.QUEUED: {
            Event.ADMIT: State.STARTING,
            Event.EXPIRE: State.EXPIRED,
            Event.CANCEL: State.CANCELED,
            Event.SUSPEND: State.SUSPENDED,
            Event.TIME_OUT: State.TIMED_OUT,
            Event.CLOSE: State.QUEUED,
        },
        State.STARTING: {
            Event.OPEN: State.RUNNING,
            Event.RETRY: State.BACKOFF,
            Event.FAIL: State.FAILED,
            Event.CANCEL: State.CANCELING,
            Event.CANCELED: State.CANCELED,
            Event.EXPIRED: State.EXPIRED,
            Event.SUSPEND: State.SUSPENDED,
            Event.TIME_OUT: State.TIMED_OUT,
            Event.CLOSE: State.BACKOFF,
        },
        State.RUNNING: {
            Event.SUCCEED: State.SUCCEEDED,
            Event.FAIL: State.FAILED,
            Event.RETRY: State.BACKOFF,
            Event.PARK: State.WAITING,
            Event.CANCEL: State.CANCELING,
            Event.CANCELED: State.CANCELED,
            Event.EXPIRED: State.EXPIRED,
            Event.SUSPEND: State.SUSPENDED,
            Event.TIME_OUT: State.TIMED_OUT,
            Event.CLOSE: State.BACKOFF,
        },
        State.WAITING: {
            Event.WAKE: State.QUEUED,
            Event.CANCEL: State.CANCELED,
            Event.SUSPEND: State.SUSPENDED,
            Event.TIME_OUT: State.TIMED_OUT,
            Event.CLOSE: State.QUEUED,
        },
        State.BACKOFF: {
            Event.DUE: State.QUEUED,
            Event.CANCEL: State.CANCELED,
            Event.SUSPEND: State.SUSPENDED,
            Event.TIME_OUT: State.TIMED_OUT,
            Event.CLOSE: State.QUEUED,
        },
        State.SUSPENDED: {
            Event.UNSUSPEND: State.QUEUED,
            Event.UNSUSPEND_DELAYED: State.DELAYED,
            Event.UNSUSPEND_WAITING: State.WAITING,
            Event.CANCEL: State.CANCELED,
            Event.CLOSE: State.QUEUED,
        },
        State.CANCELING: {
            Event.CANCELED: State.CANCELED,
            Event.SUCCEED: State.SUCCEEDED,
            Event.TIME_OUT: State.TIMED_OUT,
            Event.CLOSE: State.BACKOFF,
        },
        State.SUCCEEDED: {},
        State.FAILED: {Event.RESUME: State.QUEUED},
        State.TIMED_OUT: {Event.RESUME: State.QUEUED},
        State.CANCELED: {},
        State.EXPIRED: {},
    }
)

HOLDS_SLOT = frozenset({State.STARTING, State.RUNNING, State.CANCELING})
FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.CANCELED, State.EXPIRED})
DEAD_LETTERS = frozenset({State.FAILED, State.TIMED_OUT})


def transition(state: State, event: Event) -> State:
    """Return the state that follows ``event``; raise ``IllegalTransition`` if there is none."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None


def follows(state: State) -> frozenset[State]:
    """Return every state that may directly follow ``state``."""
    return frozenset(TRANSITIONS[state].values())
