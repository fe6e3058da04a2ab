"""Runs that a run triggers: each exactly once, whoever dies, and without a process while they are waited for.

In an ``async def`` task the calls are awaited; a ``def`` task says ``.blocking(...)``: ``trigger.blocking(...)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, Unpack
from uuid import UUID

from holdfast.contract.limits import BATCH_LIMIT
from holdfast.domain.errors import ChildFailedError, InputError
from holdfast.domain.states import State
from holdfast.domain.subjects import Child, ChildRequest, Subject
from holdfast.sdk.codec import Codec, PlainJson, codec_for
from holdfast.sdk.failure import Failure
from holdfast.sdk.journal import Strand
from holdfast.sdk.outside_step import OutsideStep
from holdfast.sdk.signature import input_text
from holdfast.sdk.task import Task
from holdfast.sdk.trigger_options import TriggerOptions, options_text

R = TypeVar("R")

CHILD_KIND = "child"

Input = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child ended, as the parent has recorded it. ``value`` is JSON text: the result, or the error."""

    state: State
    value: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class ChildResult(Generic[R]):
    """How one child of a batch ended.

    Attributes:
        child: which run.
        state: its final state.
        value: what it returned; None unless it succeeded.
        error: what ``result`` raises; None if it succeeded.
    """

    child: Child
    state: State
    value: R | None
    error: ChildFailedError | None

    def result(self) -> R:
        """What it returned.

        Raises:
            ChildFailedError: it did not succeed.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # R may be None itself


class _Trigger:
    """``trigger``: starts a run and goes on."""

    async def __call__(
        self, task: Task[..., Any] | str, input: Input | None = None, **options: Unpack[TriggerOptions]
    ) -> Child:
        """Trigger a run, which goes its own way whatever becomes of this one.

        Args:
            task: the task, or the name of one that is registered in the namespace.
            input: its parameters by name.
            options: see ``TriggerOptions``.

        Raises:
            InputError: the input does not fit the task's parameters, or an option is none.
            ControlError: the control plane refuses it, and says why: an unknown task, a name that is taken, too many.
            BranchError: there is no run.
        """
        (child,) = await _TRIGGER(*_requests(task, [input or {}], options), False)
        return child

    def blocking(
        self, task: Task[..., Any] | str, input: Input | None = None, **options: Unpack[TriggerOptions]
    ) -> Child:
        """The same in a ``def`` task, whose thread it blocks."""
        (child,) = _TRIGGER.blocking(*_requests(task, [input or {}], options), False)
        return child


class _TriggerAndWait:
    """``trigger_and_wait``: starts a run and waits for its result."""

    async def __call__(
        self, task: Task[..., R] | str, input: Input | None = None, **options: Unpack[TriggerOptions]
    ) -> Any:
        """Trigger a run, wait for its end and return its result. It is canceled if this run is canceled,
        unless an idempotency key found it.

        When this run is tried again after the error, it asks for the same child's result again: a dead letter that
        was resumed meanwhile may have one.

        Raises:
            ChildFailedError: it did not succeed.
            and what ``trigger`` raises.
        """
        (child,) = await _TRIGGER(*_requests(task, [input or {}], options), True)
        return await _wait_for_one(task)(child)

    def blocking(self, task: Task[..., R] | str, input: Input | None = None, **options: Unpack[TriggerOptions]) -> Any:
        """The same in a ``def`` task, whose thread it blocks."""
        (child,) = _TRIGGER.blocking(*_requests(task, [input or {}], options), True)
        return _wait_for_one(task).blocking(child)


class _BatchTrigger:
    """``batch_trigger``: starts many runs and goes on."""

    async def __call__(
        self, task: Task[..., Any] | str, inputs: Sequence[Input], **options: Unpack[TriggerOptions]
    ) -> list[Child]:
        """Trigger a run for each input, all or none, in one round trip.

        Raises:
            InputError: there are more than 1000 inputs, or as ``trigger``.
        """
        return await _TRIGGER(*_requests(task, inputs, options), False)

    def blocking(
        self, task: Task[..., Any] | str, inputs: Sequence[Input], **options: Unpack[TriggerOptions]
    ) -> list[Child]:
        """The same in a ``def`` task, whose thread it blocks."""
        return _TRIGGER.blocking(*_requests(task, inputs, options), False)


class _BatchTriggerAndWait:
    """``batch_trigger_and_wait``: starts many runs and waits for all of them."""

    async def __call__(
        self, task: Task[..., Any] | str, inputs: Sequence[Input], **options: Unpack[TriggerOptions]
    ) -> list[ChildResult[Any]]:
        """Trigger a run for each input and wait until all have ended, with or without success.

        Returns one result per input, in their order. They are canceled if this run is canceled.
        """
        children = await _TRIGGER(*_requests(task, inputs, options), True)
        ends = await _WAIT([child.id for child in children])
        return _results(task, children, ends)

    def blocking(
        self, task: Task[..., Any] | str, inputs: Sequence[Input], **options: Unpack[TriggerOptions]
    ) -> list[ChildResult[Any]]:
        """The same in a ``def`` task, whose thread it blocks."""
        children = _TRIGGER.blocking(*_requests(task, inputs, options), True)
        ends = _WAIT.blocking([child.id for child in children])
        return _results(task, children, ends)


trigger = _Trigger()
trigger_and_wait = _TriggerAndWait()
batch_trigger = _BatchTrigger()
batch_trigger_and_wait = _BatchTriggerAndWait()


async def _trigger_all(strand: Strand, task: str, inputs: list[str], options: str, follows: bool) -> list[Child]:
    requests = [ChildRequest(str(number), task, text, options) for number, text in enumerate(inputs)]
    return await strand.journal.outside.trigger(strand, requests, follows) if requests else []


async def _wait_for_all(strand: Strand, child_ids: list[UUID]) -> list[ChildEnd]:
    return [_end(subject) for subject in await strand.journal.outside.resolutions(strand, CHILD_KIND, child_ids)]


_TRIGGER: OutsideStep[[str, list[str], str, bool], list[Child]] = OutsideStep(
    "trigger", CHILD_KIND, codec_for(list[Child], "the triggered runs"), _trigger_all
)
_WAIT: OutsideStep[[list[UUID]], list[ChildEnd]] = OutsideStep(
    "wait_for_runs", CHILD_KIND, codec_for(list[ChildEnd], "the results of runs"), _wait_for_all
)


def _wait_for_one(task: Task[..., Any] | str) -> OutsideStep[[Child], Any]:
    async def wait(strand: Strand, child: Child) -> Any:
        (subject,) = await strand.journal.outside.resolutions(strand, CHILD_KIND, [child.id])
        return _result(task, child, _end(subject)).result()

    return OutsideStep("wait_for_run", CHILD_KIND, _codec(task), wait)


def _requests(
    task: Task[..., Any] | str, inputs: Sequence[Input], options: TriggerOptions
) -> tuple[str, list[str], str]:
    """Name of the task, the inputs as JSON texts, and the options as JSON text."""
    if len(inputs) > BATCH_LIMIT:
        raise InputError(f"a batch of {len(inputs)} inputs, over the limit of {BATCH_LIMIT}: trigger several batches")
    if len(inputs) != 1 and (once := {"name", "idempotency_key"} & set(options)):
        raise InputError(f"{' and '.join(sorted(once))}: would be the same for each run of the batch")
    texts = [input_text(each) for each in inputs]
    if isinstance(task, Task):
        for text in texts:
            task.signature.validate(text)
        return task.name, texts, options_text(task, options)
    return task, texts, options_text(task, options)


def _end(subject: Subject) -> ChildEnd:
    assert subject.outcome is not None
    return ChildEnd(State(subject.outcome), subject.value, subject.message)


def _results(task: Task[..., Any] | str, children: Sequence[Child], ends: Sequence[ChildEnd]) -> list[ChildResult[Any]]:
    return [_result(task, child, end) for child, end in zip(children, ends, strict=True)]


def _result(task: Task[..., Any] | str, child: Child, end: ChildEnd) -> ChildResult[Any]:
    if end.state is State.SUCCEEDED:
        return ChildResult(child, end.state, _codec(task).decode(end.value or "null"), None)
    return ChildResult(child, end.state, None, _error(child, end))


def _codec(task: Task[..., Any] | str) -> Codec[Any]:
    return task.codec if isinstance(task, Task) else codec_for(PlainJson, "the result of a run")


def _error(child: Child, end: ChildEnd) -> ChildFailedError:
    error = ChildFailedError(f"run {child.name} ({child.id}) ended as {end.state}: {end.message or 'without a word'}")
    error.run_id, error.state = str(child.id), str(end.state)
    if end.value is not None:
        failure = Failure.from_json(end.value)
        error.error_type, error.error_message = failure.type, failure.message
    return error
