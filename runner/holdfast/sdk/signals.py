"""Signals: messages to one run, kept in order until it takes them.

In an ``async def`` task the calls are awaited; in a ``def`` task they are ``receive.blocking(...)`` and
``send.blocking(...)``.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload
from uuid import UUID

from holdfast.domain.errors import InputError, SignalTimedOutError
from holdfast.domain.subjects import Child, SubjectOutcome, Subscription
from holdfast.sdk.codec import PlainJson, codec_for
from holdfast.sdk.journal import Strand
from holdfast.sdk.messages import Duration, message_name, message_text, seconds_of
from holdfast.sdk.outside_step import OutsideStep
from holdfast.sdk.storable import is_storable

T = TypeVar("T")

SIGNAL_KIND = "signal"


class _Receive:
    """``receive``: a step of its own."""

    @overload
    async def __call__(self, name: str, *, timeout: Duration | None = None) -> Any: ...
    @overload
    async def __call__(self, name: str, result_type: type[T], *, timeout: Duration | None = None) -> T: ...
    async def __call__(self, name: str, result_type: Any = PlainJson, *, timeout: Duration | None = None) -> Any:
        """Return the next signal of this name to this run; wait for it if there is none, above a few seconds without a
        process.

        Each signal is taken once, in the order in which they were sent. One that a canceled call has taken comes back.

        Args:
            name: of the signal.
            result_type: what its value must be; default: any JSON.
            timeout: seconds, or a duration, to wait. Default: for ever.

        Raises:
            SignalTimedOutError: none came in time.
            EncodingError: the value does not fit ``result_type``; the signal is taken.
            InputError: an argument is out of its bounds.
            LimitError: the run waits for as many signals and events as it may.
            BranchError: there is no run.
        """
        return await _receive(result_type)(*_checked(name, timeout))

    @overload
    def blocking(self, name: str, *, timeout: Duration | None = None) -> Any: ...
    @overload
    def blocking(self, name: str, result_type: type[T], *, timeout: Duration | None = None) -> T: ...
    def blocking(self, name: str, result_type: Any = PlainJson, *, timeout: Duration | None = None) -> Any:
        """The same in a ``def`` task, whose thread it blocks."""
        return _receive(result_type).blocking(*_checked(name, timeout))


class _Send:
    """``send``: a step of its own."""

    async def __call__(self, run: UUID | str | Child, name: str, value: object = None) -> None:
        """Send a signal to a run of the same namespace, exactly once. It is kept until the run takes it.

        Args:
            run: its id or its name, or what ``trigger`` has returned.
            name: of the signal.
            value: anything that has a JSON.

        Raises:
            NotFoundError: there is no such run in the namespace.
            WrongStateError: the run has ended.
            LimitError: as many signals as may wait for one run wait for it already.
            InputError: an argument is out of its bounds.
            BranchError: there is no run.
        """
        await _SEND(*_checked_message(run, name, value))

    def blocking(self, run: UUID | str | Child, name: str, value: object = None) -> None:
        """The same in a ``def`` task, whose thread it blocks."""
        _SEND.blocking(*_checked_message(run, name, value))


receive = _Receive()
send = _Send()


def _receive(result_type: Any) -> OutsideStep[[str, float | None], Any]:
    codec = codec_for(result_type, "the value of a signal")

    async def take(strand: Strand, name: str, timeout_seconds: float | None) -> Any:
        wanted = Subscription(SIGNAL_KIND, name, timeout_seconds)
        subject = await strand.journal.outside.message(strand, wanted)
        if subject.outcome is SubjectOutcome.TIMED_OUT:
            raise SignalTimedOutError(f"no signal {name!r} came within {timeout_seconds:g} s")
        return codec.decode(subject.value or "null")

    return OutsideStep("receive", SIGNAL_KIND, codec, take)


async def _send_it(strand: Strand, run: str, name: str, value: str) -> None:
    await strand.journal.outside.send_signal(strand, run, name, value)


_SEND: OutsideStep[[str, str, str], None] = OutsideStep("send", SIGNAL_KIND, codec_for(None, "a sent signal"), _send_it)


def _checked(name: str, timeout: Duration | None) -> tuple[str, float | None]:
    return message_name(name, "receive()"), seconds_of(timeout, "receive(timeout")


def _checked_message(run: UUID | str | Child, name: str, value: object) -> tuple[str, str, str]:
    target = run.id if isinstance(run, Child) else run
    if not isinstance(target, UUID) and not is_storable(target):
        raise InputError(f"send({run!r}, ...) needs the id or the name of a run")
    return str(target), message_name(name, "send()"), message_text(value, "send()")
