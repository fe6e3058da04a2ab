"""What an answer of the API server means."""

from __future__ import annotations

import json

import pytest

from holdfast_operator.kube_errors import (
    AlreadyExists,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unauthorized,
    Unavailable,
    error_of,
)

QUOTA = 'pods "a-1" is forbidden: exceeded quota: team, requested: pods=1, used: pods=5, limited: pods=5'


@pytest.mark.parametrize(
    ("status", "reason", "message", "meaning"),
    [
        (400, "BadRequest", "what?", Invalid),
        (401, "Unauthorized", "who?", Unauthorized),
        (403, "Forbidden", "no", Forbidden),
        (403, "Forbidden", QUOTA, QuotaExceeded),
        (404, "NotFound", "where?", NotFound),
        (405, "MethodNotAllowed", "how?", KubeError),
        (409, "AlreadyExists", "again?", AlreadyExists),
        (409, "Conflict", "the object has been modified", Conflict),
        (410, "Expired", "too old", Expired),
        (422, "Invalid", "spec.queueName: Invalid value", Invalid),
        (429, "TooManyRequests", "later", Throttled),
        (500, "InternalError", "oh", Unavailable),
        (503, "ServiceUnavailable", "oh", Unavailable),
    ],
)
def test_each_answer_has_its_error(status: int, reason: str, message: str, meaning: type[KubeError]) -> None:
    body = json.dumps({"kind": "Status", "reason": reason, "message": message}).encode()
    error = error_of(status, body, {}, "GET /api")
    assert type(error) is meaning
    assert (error.status, error.reason, str(error)) == (status, reason, message)


def test_an_answer_that_is_no_status_says_what_was_asked() -> None:
    error = error_of(502, b"<html>Bad Gateway</html>", {}, "GET /api/v1/pods")
    assert type(error) is Unavailable
    assert str(error) == "GET /api/v1/pods was answered with 502 BadGateway."


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", 1.0), ("Fri, 01 Jan 2027 00:00:00 GMT", 1.0)])
def test_throttled_says_when_to_come_again(header: str, seconds: float) -> None:
    error = error_of(429, b"", {"Retry-After": header}, "GET /api")
    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == seconds
