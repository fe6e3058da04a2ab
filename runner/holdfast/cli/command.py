"""How a coroutine becomes a command: the shared options, one event loop, errors as sentences and exit codes."""

from __future__ import annotations

import asyncio
import inspect
import signal
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import typer

from holdfast.cli.failures import reported
from holdfast.cli.session import Session
from holdfast.cli.settings import Settings

F = TypeVar("F", bound=Callable[..., Awaitable[None]])


def command(app: typer.Typer, name: str) -> Callable[[F], F]:
    """Add ``function(session, ...)`` to ``app``; its other parameters and those of `Settings` become options."""

    def register(function: F) -> F:
        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        shared = list(inspect.signature(Settings, eval_str=True).parameters.values())
        shared_names = [parameter.name for parameter in shared]

        def run(**given: Any) -> None:
            session = Session(Settings(**{each: given.pop(each) for each in shared_names}))
            with reported(session.settings):
                asyncio.run(_call(function, session, given))

        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared)]
        run.__name__ = function.__name__
        run.__doc__ = function.__doc__
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
        app.command(name)(run)
        return function

    return register


def forgive_cancel() -> None:
    """Ctrl-C was understood: the command goes on to its own end."""
    command = asyncio.current_task()
    assert command is not None
    while command.cancelling():
        command.uncancel()


async def _call(function: Callable[..., Awaitable[None]], session: Session, given: dict[str, Any]) -> None:
    command = asyncio.current_task()
    assert command is not None
    # a service manager's way to say Ctrl-C
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, command.cancel)
    await function(session, **given)
