"""What the Kubernetes API answers when it does not do what it was asked.

KubeError
|-- NotFound
|-- AlreadyExists       an object of that name is there
|-- Conflict            another version of the object, or another object, is there
|-- Unauthorized        the credentials are not accepted
|-- Forbidden           the role, a policy or the state of the namespace does not allow it
|   `-- QuotaExceeded   a ResourceQuota of the namespace is used up
|-- Invalid             the object does not fit its schema
|-- Expired             a list took too long to read: begin again
|-- Throttled           too many requests; says when to come again
`-- Unavailable         the API server cannot be reached, or failed
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from holdfast.domain.errors import HoldfastError

DEFAULT_RETRY_AFTER_SECONDS = 1.0


class KubeError(HoldfastError):
    """The API server did not do what it was asked.

    Attributes:
        status: HTTP status; 0 if there was no answer.
        reason: in CamelCase, the API server's own where it gave one.
        message: the API server's own words where it gave any.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(KubeError):
    """There is no such object, namespace or kind."""


class AlreadyExists(KubeError):
    """An object of that name is there."""


class Conflict(KubeError):
    """The object is there in another version than the request names, or it is another object."""


class Unauthorized(KubeError):
    """The credentials are missing, expired or not accepted."""


class Forbidden(KubeError):
    """The role, an admission policy or the state of the namespace does not allow it."""


class QuotaExceeded(Forbidden):
    """A ResourceQuota of the namespace is used up."""


class Invalid(KubeError):
    """The object does not fit its schema, or the request cannot be understood."""


class Expired(KubeError):
    """A list cannot be continued, because what it began with is too old."""


class Throttled(KubeError):
    """Too many requests.

    Attributes:
        retry_after_seconds: when to come again.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after_seconds: float) -> None:
        super().__init__(status, reason, message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(KubeError):
    """The API server cannot be reached, gave no answer in time, or failed. It may have done what it was asked."""


_BY_STATUS: dict[int, type[KubeError]] = {
    HTTPStatus.BAD_REQUEST: Invalid,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.GONE: Expired,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
}


def error_of(status: int, body: bytes, headers: Mapping[str, str], request: str) -> KubeError:
    """The error that an answer means.

    Args:
        status: HTTP status, 400 or above.
        body: usually a `Status` object as JSON; some proxies answer with text.
        headers: of the answer.
        request: what was asked, for an answer that says nothing: "POST /api/v1/…".
    """
    answer = _answer(body)
    reason = str(answer.get("reason") or "") or _phrase(status)
    message = str(answer.get("message") or "") or f"{request} was answered with {status} {_phrase(status)}."
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(status, reason, message, _retry_after_seconds(headers))
    if status == HTTPStatus.CONFLICT:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict)(status, reason, message)
    if status == HTTPStatus.FORBIDDEN:
        return (QuotaExceeded if "exceeded quota" in message else Forbidden)(status, reason, message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(status, reason, message)
    return _BY_STATUS.get(status, KubeError)(status, reason, message)


def no_answer(request: str, error: BaseException) -> Unavailable:
    """The error that a request without an answer means."""
    cause = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return Unavailable(0, "Unreachable", f"{request}: the Kubernetes API cannot be reached: {cause}")


def _answer(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.replace(" ", "")
    except ValueError:
        return "Unknown"


def _retry_after_seconds(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else DEFAULT_RETRY_AFTER_SECONDS
