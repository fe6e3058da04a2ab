"""The tokens: what runs wait for until somebody completes it."""

from __future__ import annotations

import json
from uuid import UUID

from holdfast.domain.errors import InputError, NotFoundError
from holdfast_engine.control.statements import Statements
from holdfast_engine.control.views import TokenView


class Tokens(Statements):
    """Finds tokens of a namespace, and completes them."""

    async def tokens(self, *, resolved: bool = False, limit: int = 50) -> list[TokenView]:
        """Tokens that nobody has completed, newest first; with ``resolved`` all of them."""
        rows = await self._rows("list_tokens", self.namespace, resolved, limit)
        return [TokenView.from_row(row) for row in rows]

    async def token(self, token_id: UUID | str) -> TokenView:
        """One token.

        Raises:
            InputError: that is no id.
            NotFoundError: there is no such token.
        """
        rows = await self._rows("read_token", self.namespace, _token_id(token_id))
        if not rows:
            raise self._unknown(token_id)
        return TokenView.from_row(rows[0])

    async def complete_token(self, token_id: UUID | str, value: str = "null") -> None:
        """Let whoever waits for a token go on with ``value``, JSON text. The same value again changes nothing.

        Raises:
            InputError: that is no id, or the value is no JSON.
            NotFoundError: there is no such token.
            ConflictError: it was completed with another value.
            WrongStateError: its time is over.
            LimitError: the value is too large.
        """
        try:
            json.loads(value)
        except ValueError as error:
            raise InputError(f"The value is no JSON ({error}). A text needs quotes: '\"yes\"'") from None
        if not await self._rows("complete_token", self.namespace, _token_id(token_id), value):
            raise self._unknown(token_id)

    def _unknown(self, token_id: UUID | str) -> NotFoundError:
        return NotFoundError(f"No token {token_id} in namespace {self.namespace!r}. See: holdfast tokens list")


def _token_id(token_id: UUID | str) -> UUID:
    if isinstance(token_id, UUID):
        return token_id
    try:
        return UUID(token_id)
    except ValueError:
        raise InputError(f"{token_id!r} is no token: a token's id is a UUID. See: holdfast tokens list") from None
