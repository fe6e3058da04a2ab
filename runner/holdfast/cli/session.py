"""What a command works with: the database, the control plane, and the two output streams."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from holdfast.cli.documents import print_document
from holdfast.cli.settings import Format, Settings

if TYPE_CHECKING:
    from holdfast.cli.tables import Table
    from holdfast_engine.control.plane import ControlPlane
    from holdfast_engine.local.database import LocalDatabase


class Session:
    """One invocation of the command."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def wants_json(self) -> bool:
        """Whether standard output is for one JSON document."""
        return self.settings.output is Format.JSON

    @asynccontextmanager
    async def database(self, *, sets_up: bool = True) -> AsyncIterator[LocalDatabase]:
        """The database that the options name; ``sets_up``: make it if it is not there yet."""
        from holdfast_engine.local.database import open_database
        from holdfast_engine.local.state_directory import StateDirectory

        state = StateDirectory.at(self.settings.state_directory)
        async with open_database(self.settings.database, state, sets_up=sets_up) as database:
            yield database

    @asynccontextmanager
    async def control_plane(self, *, sets_up: bool = False) -> AsyncIterator[ControlPlane]:
        """The control plane of that database, in the namespace that the options name.

        Who asks about runs gets no empty database to ask: a wrong directory must not look like one without runs.
        """
        from holdfast_engine.control.plane import ControlPlane

        async with self.database(sets_up=sets_up) as database:
            yield ControlPlane(database.pool, self.settings.namespace)

    def tell(self, message: str) -> None:
        """A line for people, on standard error."""
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()

    def answer(self, document: Any, sentence: str) -> None:
        """The answer: the document for programs, or the sentence for people."""
        if self.wants_json:
            print_document(document)
        else:
            print(sentence, flush=True)

    def answer_list(self, documents: Sequence[Any], table: Callable[[], Table]) -> None:
        """The answer is a list: an array for programs, or a table for people."""
        if self.wants_json:
            print_document(list(documents))
            return
        from holdfast.cli.tables import print_table

        print_table(table())
