"""The environment of one attempt's process: how the launcher tells the runner what to open."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from holdfast.contract import patterns
from holdfast.contract.dsn import dsn_problem
from holdfast.domain.errors import AttemptEnvironmentError

DATABASE: Final = "HOLDFAST_DATABASE"
RUN_ID: Final = "HOLDFAST_RUN_ID"
ATTEMPT: Final = "HOLDFAST_ATTEMPT"
TOKEN: Final = "HOLDFAST_TOKEN"
ENTRYPOINT: Final = "HOLDFAST_ENTRYPOINT"
COMMAND: Final = "HOLDFAST_COMMAND"
DATABASE_POOLER: Final = "HOLDFAST_DATABASE_POOLER"
DATABASE_GRACE_SECONDS: Final = "HOLDFAST_DATABASE_GRACE_SECONDS"
SHUTDOWN_GRACE_SECONDS: Final = "HOLDFAST_SHUTDOWN_GRACE_SECONDS"

PREFIX: Final = "HOLDFAST_"
"""Authors' own variables must not start with it."""

_INTEGER_LIMIT: Final = 2_147_483_647


class Pooler(StrEnum):
    """What stands between the attempt and Postgres."""

    NONE = "none"
    """A direct connection, or a pooler in session mode: the session is ours."""

    TRANSACTION = "transaction"
    """A pooler that changes the server connection after each transaction: no prepared statements, no
    LISTEN."""


@dataclass(frozen=True, kw_only=True)
class AttemptEnvironment:
    """What the process of one attempt is told. Secrets are kept out of ``repr``."""

    #: Connection string of the database, as the role `holdfast_runner`.
    database: str = field(repr=False)
    run_id: UUID
    #: Number of this attempt, from 1.
    attempt: int
    #: Bootstrap token; works once.
    token: str = field(repr=False)
    #: "package.module:function" of the task; None for a command.
    entrypoint: str | None = None
    #: Program and arguments of a task that is a command; None for an entrypoint. In the environment: a JSON list.
    command: tuple[str, ...] | None = None
    database_pooler: Pooler = Pooler.NONE
    #: How long the attempt keeps trying to record while the database is away, in seconds. 0: not at all.
    database_grace_seconds: int = 300
    #: How long the attempt has between SIGTERM and its end, in seconds; five less than Kubernetes' own 30.
    shutdown_grace_seconds: int = 25

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> AttemptEnvironment:
        """Read the environment, usually ``os.environ``. An empty variable counts as absent.

        Raises ``AttemptEnvironmentError``, which lists every variable that is missing or malformed.
        """
        given = {name: variables[name] for name in _PARSERS if variables.get(name)}
        problems = [f"{name} is not set" for name in _REQUIRED if name not in given]
        if ENTRYPOINT not in given and COMMAND not in given:
            problems.append(f"{ENTRYPOINT} is not set, nor is {COMMAND}")
        for name, text in given.items():
            try:
                _PARSERS[name](text)
            except ValueError as error:
                problems.append(f"{name if name in _SECRETS else f'{name}={text!r}'} {error}")
        if problems:
            raise AttemptEnvironmentError(problems)
        return cls(
            database=given[DATABASE],
            run_id=UUID(given[RUN_ID]),
            attempt=int(given[ATTEMPT]),
            token=given[TOKEN],
            entrypoint=given.get(ENTRYPOINT),
            command=_command(given[COMMAND]) if COMMAND in given else None,
            database_pooler=Pooler(given.get(DATABASE_POOLER, cls.database_pooler)),
            database_grace_seconds=int(given.get(DATABASE_GRACE_SECONDS, cls.database_grace_seconds)),
            shutdown_grace_seconds=int(given.get(SHUTDOWN_GRACE_SECONDS, cls.shutdown_grace_seconds)),
        )

    def to_mapping(self) -> dict[str, str]:
        """Return the variables to set; ``from_mapping`` reads the same environment from them."""
        return {
            DATABASE: self.database,
            RUN_ID: str(self.run_id),
            ATTEMPT: str(self.attempt),
            TOKEN: self.token,
            **({} if self.entrypoint is None else {ENTRYPOINT: self.entrypoint}),
            **({} if self.command is None else {COMMAND: json.dumps(self.command)}),
            DATABASE_POOLER: self.database_pooler.value,
            DATABASE_GRACE_SECONDS: str(self.database_grace_seconds),
            SHUTDOWN_GRACE_SECONDS: str(self.shutdown_grace_seconds),
        }


def _dsn(text: str) -> str:
    if problem := dsn_problem(text):
        raise ValueError(problem)
    return text


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("must be the id of a run (a UUID)") from None


def _positive(text: str) -> int:
    return _integer(text, at_least=1)


def _seconds(text: str) -> int:
    return _integer(text, at_least=0)


def _integer(text: str, *, at_least: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or not at_least <= int(text) <= _INTEGER_LIMIT:
        raise ValueError(f"must be a whole number from {at_least} to {_INTEGER_LIMIT}")
    return int(text)


def _entrypoint(text: str) -> str:
    if not re.fullmatch(patterns.ENTRYPOINT, text):
        raise ValueError(patterns.MEANINGS[patterns.ENTRYPOINT])
    return text


def _command(text: str) -> tuple[str, ...]:
    try:
        words = json.loads(text)
    except ValueError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ValueError('must be a JSON list of words, for instance ["sh", "-c", "true"]')
    return tuple(words)


def _pooler(text: str) -> Pooler:
    try:
        return Pooler(text)
    except ValueError:
        raise ValueError("must be " + " or ".join(f"'{pooler}'" for pooler in Pooler)) from None


_PARSERS: Final[Mapping[str, Callable[[str], object]]] = MappingProxyType(
    {
        DATABASE: _dsn,
        RUN_ID: _uuid,
        ATTEMPT: _positive,
        TOKEN: str,
        ENTRYPOINT: _entrypoint,
        COMMAND: _command,
        DATABASE_POOLER: _pooler,
        DATABASE_GRACE_SECONDS: _seconds,
        SHUTDOWN_GRACE_SECONDS: _seconds,
    }
)
_SECRETS: Final = frozenset({DATABASE, TOKEN})
_REQUIRED: Final = (DATABASE, RUN_ID, ATTEMPT, TOKEN)
