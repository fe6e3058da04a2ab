"""The seam between what authors write and what records it.

Authors' calls find the journal of the run that they are part of through a context variable. Outside a run there is
none, and a step is just its function.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from holdfast.domain.errors import BranchError
from holdfast.domain.scopes import Branch
from holdfast.sdk.codec import Codec

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from holdfast.domain.subjects import Child, ChildRequest, Subject, Subscription
    from holdfast.sdk.run_info import RunInfo
    from holdfast.sdk.step import Step

T = TypeVar("T")


class Outside(Protocol):
    """What the runtime offers to calls that wait for something outside of the run. They are made inside steps."""

    async def create_token(
        self, strand: Strand, timeout_seconds: float | None, tags: Sequence[str], idempotency_key: str | None
    ) -> UUID:
        """Make a token, or find the one that this place, or the idempotency key, has made before; return its id."""

    async def trigger(self, strand: Strand, requests: Sequence[ChildRequest], follows: bool) -> list[Child]:
        """Trigger runs, whose keys are of this place, or find those that it has triggered before."""

    async def resolutions(self, strand: Strand, kind: str, subject_ids: Sequence[UUID]) -> list[Subject]:
        """Wait until all of these subjects are resolved; the process may end meanwhile. ``kind``: that of a wait."""

    async def message(self, strand: Strand, wanted: Subscription) -> Subject:
        """Wait for the signal or event that this place gets; the process may end meanwhile."""

    async def send_signal(self, strand: Strand, to: str, name: str, value: str) -> None:
        """Send a signal, once for this place."""

    async def publish_event(self, strand: Strand, name: str, value: str, key: str | None) -> UUID:
        """Publish an event, once for this place; return its id."""

    def block(self, call: Coroutine[Any, Any, T]) -> T:
        """Have one of the calls above made on the run's event loop, and block this thread meanwhile."""


class Journal(Protocol):
    """What the runtime offers to the calls of authors. One journal per attempt."""

    @property
    def info(self) -> RunInfo:
        """Who and where this run is."""

    @property
    def outside(self) -> Outside:
        """What is outside of the run."""

    async def run_step(
        self, step: Step[..., Any], strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Return the recorded result of an ``async def`` step, or run its body and record it."""

    def run_step_blocking(
        self, step: Step[..., Any], strand: Strand, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The same for a ``def`` step; blocks the calling thread."""

    def note(self, strand: Strand, kind: str, name: str, produce: Callable[[], Any], codec: Codec[Any]) -> Any:
        """Return the recorded value, or make one and have it recorded before the next step's body begins."""

    def patched(self, strand: Strand, patch: str) -> bool:
        """Return whether the branch takes the new way at the change called ``patch``: the same in every attempt."""

    def promise(self, strand: Strand, reference: str) -> None:
        """Record, before its success, that the step whose body runs here has the compensation of ``reference``."""

    def database_now(self) -> datetime:
        """The database's time of day, unrecorded."""

    async def sleep(self, strand: Strand, name: str, find_due: Callable[[], datetime]) -> None:
        """Wait for a time of the database's clock, found when first reached; the process may end meanwhile."""

    async def run_script(self, strand: Strand, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Run a command whose calls of ``holdfast step`` are steps of the run, in the branch of the caller."""

    def sleep_blocking(self, strand: Strand, name: str, find_due: Callable[[], datetime]) -> None:
        """The same in a thread, which it blocks."""


@dataclass(slots=True, eq=False)
class Strand:
    """Where the calling code stands: the run's journal, the branch, and the asyncio task that the branch belongs to.

    ``owner`` is None for threads.
    """

    journal: Journal
    branch: Branch
    owner: asyncio.Task[Any] | None = None


_strand: ContextVar[Strand | None] = ContextVar("holdfast_strand", default=None)
_process_journals: list[Journal] = []


def current_strand() -> Strand | None:
    """Return where the caller stands in a run, None outside of any.

    Raises:
        BranchError: the caller is part of a run, but its order within the run cannot be known.
    """
    strand = _strand.get()
    if strand is None:
        if _process_journals:
            raise BranchError(
                "a step was called from a thread or callback that the run did not start, so its place cannot be "
                "recorded. Start threads inside the task (threading.Thread, ThreadPoolExecutor, asyncio.to_thread), or "
                "call the function itself with .function(...)"
            )
        return None
    owner = strand.owner
    if owner is not None:
        try:
            running = asyncio.current_task()
        except RuntimeError:  # no event loop in this thread
            return strand
        if running is not owner and running is not None:
            raise BranchError(
                "a step was called from an asyncio task that was created behind the run's task factory (another "
                "event loop, or asyncio.Task(...) directly), so its place cannot be recorded. Use asyncio.create_task, "
                "gather or TaskGroup"
            )
    return strand


def require_strand(what: str) -> Strand:
    """Return where the caller stands; raise ``BranchError`` outside of a run."""
    strand = current_strand()
    if strand is None:
        raise BranchError(f"{what} needs a run: call it inside a task, or test it with holdfast.testing")
    return strand


def strand_variable() -> ContextVar[Strand | None]:
    """Return the variable itself, for the runtime that sets it."""
    return _strand


def claim_process(journal: Journal) -> Callable[[], None]:
    """Say that this whole process serves ``journal``: from now on a step outside its branches is an error.

    Returns a function that ends the claim.
    """
    _process_journals.append(journal)
    return lambda: _process_journals.remove(journal)
