"""Holdfast: durable tasks on Kubernetes. A function whose process is killed goes on from its last step."""

from typing import TYPE_CHECKING, Any

from holdfast.domain.errors import (
    AttemptDisrupted,
    AttemptFenced,
    BranchError,
    ChildFailedError,
    ConflictError,
    ControlError,
    ControlFlow,
    DefinitionError,
    DuplicateTaskError,
    EncodingError,
    EventTimedOutError,
    HistoryMismatch,
    HoldfastError,
    InputError,
    LimitError,
    NonRetryableError,
    NotFoundError,
    PayloadTooLargeError,
    RetryAfter,
    RunCanceled,
    RunParked,
    SignalTimedOutError,
    StepFailedError,
    StepTimeoutError,
    TokenTimedOutError,
    WrongStateError,
)
from holdfast.domain.retry import Retry
from holdfast.sdk.gather import gather
from holdfast.sdk.run_info import RunInfo, run_info
from holdfast.sdk.step import Step, step
from holdfast.sdk.task import Task, task
from holdfast.sdk.values import checkpoint, now, random, uuid4
from holdfast.sdk.waits import sleep, sleep_until

if TYPE_CHECKING:
    from holdfast.domain.subjects import Child
    from holdfast.sdk.children import ChildResult, batch_trigger, batch_trigger_and_wait, trigger, trigger_and_wait
    from holdfast.sdk.events import publish_event, wait_for_event
    from holdfast.sdk.first_of import first_of
    from holdfast.sdk.idempotency import idempotency_key
    from holdfast.sdk.patches import patched
    from holdfast.sdk.run_end import RunEnd
    from holdfast.sdk.script import run_script
    from holdfast.sdk.signals import receive, send
    from holdfast.sdk.tokens import Token, create_token, wait_for_token
    from holdfast.sdk.trigger_options import TriggerOptions
else:
    _LATE = {
        "holdfast.domain.subjects": ("Child",),
        "holdfast.sdk.children": (
            "ChildResult",
            "batch_trigger",
            "batch_trigger_and_wait",
            "trigger",
            "trigger_and_wait",
        ),
        "holdfast.sdk.events": ("publish_event", "wait_for_event"),
        "holdfast.sdk.first_of": ("first_of",),
        "holdfast.sdk.idempotency": ("idempotency_key",),
        "holdfast.sdk.patches": ("patched",),
        "holdfast.sdk.run_end": ("RunEnd",),
        "holdfast.sdk.script": ("run_script",),
        "holdfast.sdk.signals": ("receive", "send"),
        "holdfast.sdk.tokens": ("Token", "create_token", "wait_for_token"),
        "holdfast.sdk.trigger_options": ("TriggerOptions",),
    }

    def __getattr__(name: str) -> Any:
        """Load what only some programs use when it is asked for: a pod of the others starts sooner."""
        from importlib import import_module

        for module, names in _LATE.items():
            if name in names:
                value = globals()[name] = getattr(import_module(module), name)
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AttemptDisrupted",
    "AttemptFenced",
    "BranchError",
    "Child",
    "ChildFailedError",
    "ChildResult",
    "ConflictError",
    "ControlError",
    "ControlFlow",
    "DefinitionError",
    "DuplicateTaskError",
    "EncodingError",
    "EventTimedOutError",
    "HistoryMismatch",
    "HoldfastError",
    "InputError",
    "LimitError",
    "NonRetryableError",
    "NotFoundError",
    "PayloadTooLargeError",
    "Retry",
    "RetryAfter",
    "RunCanceled",
    "RunEnd",
    "RunInfo",
    "RunParked",
    "SignalTimedOutError",
    "Step",
    "StepFailedError",
    "StepTimeoutError",
    "Task",
    "Token",
    "TokenTimedOutError",
    "TriggerOptions",
    "WrongStateError",
    "batch_trigger",
    "batch_trigger_and_wait",
    "checkpoint",
    "create_token",
    "first_of",
    "gather",
    "idempotency_key",
    "now",
    "patched",
    "publish_event",
    "random",
    "receive",
    "run_info",
    "run_script",
    "send",
    "sleep",
    "sleep_until",
    "step",
    "task",
    "trigger",
    "trigger_and_wait",
    "uuid4",
    "wait_for_event",
    "wait_for_token",
]
