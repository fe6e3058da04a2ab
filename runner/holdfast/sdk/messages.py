"""What signals and events have in common: a name, a value that is JSON, and how long one waits."""

from __future__ import annotations

from datetime import timedelta

from holdfast.contract.limits import MESSAGE_NAME_LIMIT, RESULT_LIMIT_BYTES
from holdfast.domain.errors import InputError
from holdfast.sdk.codec import check_size
from holdfast.sdk.excerpt import excerpt
from holdfast.sdk.storable import is_storable

Duration = float | timedelta

_LONGEST_SECONDS = 2**31 - 1


def message_name(name: str, call: str) -> str:
    """The name of a signal or event; ``call`` begins the message if it is none.

    Raises:
        InputError: it is no text, or has too few or too many characters.
    """
    if not is_storable(name) or not 1 <= len(name) <= MESSAGE_NAME_LIMIT:
        raise InputError(f"{call} needs a name of 1 to {MESSAGE_NAME_LIMIT} characters, not {excerpt(name)}")
    return name


def message_text(value: object, call: str) -> str:
    """The JSON text of a value, which may hold datetimes, bytes (base64), models and the like.

    Raises:
        InputError: something in it has no JSON.
        PayloadTooLargeError: it is too large.
    """
    from pydantic_core import to_json

    try:
        text = to_json(value, bytes_mode="base64", inf_nan_mode="strings").decode()
    except ValueError as error:
        raise InputError(f"{call} got a value without JSON: {error}; given was {excerpt(value)}") from None
    check_size(text, RESULT_LIMIT_BYTES, f"the value of {call}", setting="RESULT_LIMIT_BYTES")
    return text


def seconds_of(duration: Duration | None, what: str) -> float | None:
    """A duration in seconds.

    Raises:
        InputError: it is not positive, or longer than 68 years; ``what`` begins the message.
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if seconds is not None and not 0 < seconds <= _LONGEST_SECONDS:
        raise InputError(f"{what}={duration!r}) needs a positive duration of at most 68 years")
    return seconds
