"""The port through which the engine makes and ends the processes of attempts.

Two adapters: local processes (`launchers.process`) and, in a cluster, pods. What a launcher tells is a hint: whether an
attempt has ended, and how, is what the database says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from holdfast.contract.reasons import FailureClass, Reason


class AttemptId(NamedTuple):
    """Which attempt of which run; numbered from 1."""

    run_id: UUID
    attempt: int

    def __str__(self) -> str:
        return f"{self.run_id}-{self.attempt}"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """An attempt that was admitted, and what its process needs to be told."""

    id: AttemptId
    namespace: str
    #: Name of the run.
    name: str
    task: str
    queue: str
    #: "package.module:function"; ``None`` if the template has a command instead.
    entrypoint: str | None
    #: Fields of the task's spec that say where and how it runs, spelled as in manifests.
    template: Mapping[str, Any]
    #: Bootstrap token; works once.
    token: str = field(repr=False)
    #: Connection string for the attempt, as a member of the role `holdfast_runner`.
    database: str = field(repr=False)
    #: How long the attempt keeps trying to record while the database is away, in seconds.
    database_grace_seconds: int
    #: How long the attempt has between SIGTERM and its end, in seconds.
    shutdown_grace_seconds: int


@dataclass(frozen=True, kw_only=True)
class ExitCause:
    """Why a process is gone, where its launcher knows more than the exit code says."""

    failure: FailureClass
    reason: Reason
    #: For people: what happened.
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Exit:
    """The process of an attempt is gone. At most one of ``exit_code`` and ``signal`` is known."""

    id: AttemptId
    #: ``None`` if a signal ended it, or if nobody could see how it ended.
    exit_code: int | None = None
    #: Number of the signal that ended it.
    signal: int | None = None
    #: The end of what it printed, for people.
    output_tail: str = ""
    #: ``None`` if exit code and signal say all that is known.
    cause: ExitCause | None = None
    #: The task's own command was the process, without a runner that records an outcome: its exit code is the outcome.
    is_command: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the exit alone says that the attempt succeeded."""
        return self.is_command and self.cause is None and self.exit_code == 0


class Launcher(Protocol):
    """Makes and ends processes, and remembers each until its end was taken note of."""

    @property
    def name(self) -> str:
        """Who it is, the same from one life to the next: what this name launched, it may adopt."""

    async def start(self, on_exit: Callable[[], None]) -> None:
        """Adopt what an earlier life of this launcher left; ``on_exit`` is called when ``exits`` has something new.

        Raises:
            LaunchError: another one works under this name.
        """

    async def launch(self, launch: Launch) -> None:
        """Make the process of an attempt. Does nothing if it was made before.

        Raises:
            LaunchError: it cannot be made; says why.
        """

    async def stop(self, id: AttemptId, grace_seconds: float) -> None:
        """Ask a process to end (SIGTERM), and end it (SIGKILL) after the grace; returns at once.

        May come again, with a shorter grace. Does nothing if there is no such process.
        """

    def capacity(self) -> int:
        """How many more processes it takes now."""

    def live(self) -> Collection[AttemptId]:
        """The attempts whose processes live, as far as it knows."""

    async def look(self) -> None:
        """Look again at what lives, for whoever misses a process: it may have been made by another life of this one.

        Raises:
            LaunchError: it cannot be seen now.
        """

    def exits(self) -> Sequence[Exit]:
        """The processes that are gone and not yet released."""

    async def release(self, id: AttemptId) -> None:
        """Forget a process that is gone: what it means is recorded."""

    async def drain(self, grace_seconds: float) -> None:
        """End what would otherwise outlive the launcher, and return when it is gone; ``exits`` tells of it."""

    async def aclose(self) -> None:
        """Let go of everything. May come twice, or before ``start``."""
