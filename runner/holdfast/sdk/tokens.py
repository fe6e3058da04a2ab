"""Tokens: something outside completes one once, an approval or a callback, and the run that waits for it goes on.

In an ``async def`` task the calls are awaited; in a ``def`` task they are ``create_token.blocking(...)`` and
``wait_for_token.blocking(...)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, overload
from uuid import UUID

from holdfast.contract.limits import TOKEN_KEY_LIMIT, TOKEN_TAGS_LIMIT
from holdfast.domain.errors import InputError, TokenTimedOutError
from holdfast.domain.subjects import Subject, SubjectOutcome
from holdfast.sdk.codec import Codec, PlainJson, codec_for
from holdfast.sdk.journal import Strand
from holdfast.sdk.outside_step import OutsideStep
from holdfast.sdk.storable import is_storable

T = TypeVar("T")

TOKEN_KIND = "token"
_LONGEST_TIMEOUT_SECONDS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Token:
    """Something that is completed once, by whoever has its id.

    Attributes:
        id: hand it to whoever is to answer; it cannot be guessed.
    """

    id: UUID

    def __str__(self) -> str:
        return str(self.id)


class _CreateToken:
    """``create_token``: a step of its own."""

    async def __call__(
        self,
        *,
        timeout: float | timedelta | None = None,
        tags: Iterable[str] = (),
        idempotency_key: str | None = None,
    ) -> Token:
        """Make a token.

        Args:
            timeout: seconds, or a duration, after which it cannot be completed any more, and who waits for it gets a
                ``TokenTimedOutError``. Default: never.
            tags: for people who look through the open tokens.
            idempotency_key: unique in the namespace: a second run that makes a token with it gets the same one.

        Raises:
            BranchError: there is no run.
            InputError: an argument is out of its bounds.
            ControlError: the run has made as many tokens as it may.
        """
        return await _CREATE(*_checked(timeout, tags, idempotency_key))

    def blocking(
        self,
        *,
        timeout: float | timedelta | None = None,
        tags: Iterable[str] = (),
        idempotency_key: str | None = None,
    ) -> Token:
        """The same in a ``def`` task, whose thread it blocks."""
        return _CREATE.blocking(*_checked(timeout, tags, idempotency_key))


class _WaitForToken:
    """``wait_for_token``: a step of its own."""

    @overload
    async def __call__(self, token: Token | UUID | str) -> Any: ...
    @overload
    async def __call__(self, token: Token | UUID | str, result_type: type[T]) -> T: ...
    async def __call__(self, token: Token | UUID | str, result_type: Any = PlainJson) -> Any:
        """Wait until the token is completed and return the value; above a few seconds without a process.

        Args:
            token: the token, or its id.
            result_type: what the value must be; default: any JSON.

        Raises:
            TokenTimedOutError: nobody completed it in time.
            NotFoundError: there is no such token in the run's namespace.
            EncodingError: the value does not fit ``result_type``.
            BranchError: there is no run.
        """
        return await _wait(result_type)(_id_of(token))

    @overload
    def blocking(self, token: Token | UUID | str) -> Any: ...
    @overload
    def blocking(self, token: Token | UUID | str, result_type: type[T]) -> T: ...
    def blocking(self, token: Token | UUID | str, result_type: Any = PlainJson) -> Any:
        """The same in a ``def`` task, whose thread it blocks."""
        return _wait(result_type).blocking(_id_of(token))


create_token = _CreateToken()
wait_for_token = _WaitForToken()


async def _create(
    strand: Strand, timeout_seconds: float | None, tags: tuple[str, ...], idempotency_key: str | None
) -> Token:
    return Token(await strand.journal.outside.create_token(strand, timeout_seconds, tags, idempotency_key))


_CREATE: OutsideStep[[float | None, tuple[str, ...], str | None], Token] = OutsideStep(
    "create_token", TOKEN_KIND, codec_for(Token, "a token"), _create
)


def _wait(result_type: Any) -> OutsideStep[[UUID], Any]:
    codec = codec_for(result_type, "the value of a token")

    async def wait(strand: Strand, token_id: UUID) -> Any:
        (subject,) = await strand.journal.outside.resolutions(strand, TOKEN_KIND, [token_id])
        return _value_of(subject, codec)

    return OutsideStep("wait_for_token", TOKEN_KIND, codec, wait)


def _value_of(subject: Subject, codec: Codec[Any]) -> Any:
    if subject.outcome is SubjectOutcome.TIMED_OUT:
        raise TokenTimedOutError(f"nobody completed token {subject.id} in time")
    return codec.decode(subject.value or "null")


def _id_of(token: Token | UUID | str) -> UUID:
    if isinstance(token, Token):
        return token.id
    if isinstance(token, UUID):
        return token
    try:
        return UUID(token)
    except ValueError:
        raise InputError(f"{token!r} is no token: a token's id is a UUID, as create_token() returns it") from None


def _checked(
    timeout: float | timedelta | None, tags: Iterable[str], idempotency_key: str | None
) -> tuple[float | None, tuple[str, ...], str | None]:
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if seconds is not None and not 0 < seconds <= _LONGEST_TIMEOUT_SECONDS:
        raise InputError(f"create_token(timeout={timeout!r}) needs a positive duration of at most 68 years")
    found = tuple(tags)
    if isinstance(tags, str) or len(found) > TOKEN_TAGS_LIMIT or not all(map(is_storable, found)):
        raise InputError(f"create_token(tags={tags!r}) needs a list of at most {TOKEN_TAGS_LIMIT} texts")
    if idempotency_key is not None and not (
        is_storable(idempotency_key) and 1 <= len(idempotency_key) <= TOKEN_KEY_LIMIT
    ):
        raise InputError(f"create_token(idempotency_key=...) needs 1 to {TOKEN_KEY_LIMIT} characters")
    return seconds, found, idempotency_key
