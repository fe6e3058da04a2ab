"""Events: facts that are published by name, and that every run of the namespace can wait for.

In an ``async def`` task the calls are awaited; in a ``def`` task they are ``wait_for_event.blocking(...)`` and
``publish_event.blocking(...)``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar, overload
from uuid import UUID

from holdfast.contract.limits import EVENT_KEY_LIMIT, EVENT_MATCH_LIMIT_BYTES, EVENT_RETENTION_SECONDS
from holdfast.domain.errors import EventTimedOutError, InputError
from holdfast.domain.subjects import SubjectOutcome, Subscription
from holdfast.sdk.codec import PlainJson, check_size, codec_for
from holdfast.sdk.journal import Strand
from holdfast.sdk.messages import Duration, message_name, message_text, seconds_of
from holdfast.sdk.outside_step import OutsideStep
from holdfast.sdk.storable import is_storable

T = TypeVar("T")

EVENT_KIND = "event"

Match = Mapping[str, Any]


class _WaitForEvent:
    """``wait_for_event``: a step of its own."""

    @overload
    async def __call__(
        self,
        name: str,
        *,
        match: Match | None = None,
        timeout: Duration | None = None,
        look_back: Duration | None = None,
    ) -> Any: ...
    @overload
    async def __call__(
        self,
        name: str,
        result_type: type[T],
        *,
        match: Match | None = None,
        timeout: Duration | None = None,
        look_back: Duration | None = None,
    ) -> T: ...
    async def __call__(
        self,
        name: str,
        result_type: Any = PlainJson,
        *,
        match: Match | None = None,
        timeout: Duration | None = None,
        look_back: Duration | None = None,
    ) -> Any:
        """Return the value of the first event of this name that is published from now on; above a few seconds without
        a process.

        Args:
            name: of the event.
            result_type: what its value must be; default: any JSON.
            match: an object that the value contains: each of its fields is there with an equal value, and objects and
                lists in it may have more. Default: any event of the name.
            timeout: seconds, or a duration, to wait. Default: for ever.
            look_back: take one, too, that was published up to so many seconds, or such a duration, before the wait
                began; the oldest if there are several. Default: none.

        Raises:
            EventTimedOutError: none was published in time.
            EncodingError: the value does not fit ``result_type``.
            InputError: an argument is out of its bounds.
            LimitError: the run waits for as many signals and events as it may.
            BranchError: there is no run.
        """
        return await _wait(result_type)(*_checked_wait(name, match, timeout, look_back))

    @overload
    def blocking(
        self,
        name: str,
        *,
        match: Match | None = None,
        timeout: Duration | None = None,
        look_back: Duration | None = None,
    ) -> Any: ...
    @overload
    def blocking(
        self,
        name: str,
        result_type: type[T],
        *,
        match: Match | None = None,
        timeout: Duration | None = None,
        look_back: Duration | None = None,
    ) -> T: ...
    def blocking(
        self,
        name: str,
        result_type: Any = PlainJson,
        *,
        match: Match | None = None,
        timeout: Duration | None = None,
        look_back: Duration | None = None,
    ) -> Any:
        """The same in a ``def`` task, whose thread it blocks."""
        return _wait(result_type).blocking(*_checked_wait(name, match, timeout, look_back))


class _PublishEvent:
    """``publish_event``: a step of its own."""

    async def __call__(self, name: str, value: object = None, *, key: str | None = None) -> UUID:
        """Publish an event to the runs of the namespace, exactly once, and return its id.

        Args:
            name: of the event.
            value: anything that has a JSON; it never changes.
            key: one event per key and name: publishing it again with the same value changes nothing. Default: none.

        Raises:
            ConflictError: it was published with another value before, which stands.
            InputError: an argument is out of its bounds.
            BranchError: there is no run.
        """
        return await _PUBLISH(*_checked_event(name, value, key))

    def blocking(self, name: str, value: object = None, *, key: str | None = None) -> UUID:
        """The same in a ``def`` task, whose thread it blocks."""
        return _PUBLISH.blocking(*_checked_event(name, value, key))


wait_for_event = _WaitForEvent()
publish_event = _PublishEvent()


def _wait(result_type: Any) -> OutsideStep[[str, str | None, float | None, float], Any]:
    codec = codec_for(result_type, "the value of an event")

    async def wait(
        strand: Strand, name: str, match: str | None, timeout_seconds: float | None, look_back_seconds: float
    ) -> Any:
        wanted = Subscription(EVENT_KIND, name, timeout_seconds, match, look_back_seconds)
        subject = await strand.journal.outside.message(strand, wanted)
        if subject.outcome is SubjectOutcome.TIMED_OUT:
            which = f"event {name!r}" if match is None else f"event {name!r} that contains {match}"
            raise EventTimedOutError(f"no {which} was published within {timeout_seconds:g} s")
        return codec.decode(subject.value or "null")

    return OutsideStep("wait_for_event", EVENT_KIND, codec, wait)


async def _publish(strand: Strand, name: str, value: str, key: str | None) -> UUID:
    return await strand.journal.outside.publish_event(strand, name, value, key)


_PUBLISH: OutsideStep[[str, str, str | None], UUID] = OutsideStep(
    "publish_event", EVENT_KIND, codec_for(UUID, "a published event"), _publish
)


def _checked_wait(
    name: str, match: Match | None, timeout: Duration | None, look_back: Duration | None
) -> tuple[str, str | None, float | None, float]:
    look_back_seconds = seconds_of(look_back, "wait_for_event(look_back") or 0.0
    if look_back_seconds > EVENT_RETENTION_SECONDS:
        raise InputError(
            f"wait_for_event(look_back={look_back!r}) looks further back than {EVENT_RETENTION_SECONDS} s, "
            "for which events are kept"
        )
    return (
        message_name(name, "wait_for_event()"),
        None if match is None else _match_text(match),
        seconds_of(timeout, "wait_for_event(timeout"),
        look_back_seconds,
    )


def _match_text(match: Match) -> str:
    if not isinstance(match, Mapping):
        raise InputError(f"wait_for_event(match={match!r}) needs an object: the fields that an event must have")
    text = message_text(dict(match), "wait_for_event(match=...)")
    check_size(text, EVENT_MATCH_LIMIT_BYTES, "the match of wait_for_event()", setting="EVENT_MATCH_LIMIT_BYTES")
    if "\\u0000" in text:
        raise InputError("wait_for_event(match=...) has a NUL character, which no event can have")
    return json.dumps(json.loads(text), sort_keys=True)


def _checked_event(name: str, value: object, key: str | None) -> tuple[str, str, str | None]:
    if key is not None and not (is_storable(key) and 1 <= len(key) <= EVENT_KEY_LIMIT):
        raise InputError(f"publish_event(key=...) needs 1 to {EVENT_KEY_LIMIT} characters")
    return message_name(name, "publish_event()"), message_text(value, "publish_event()"), key
