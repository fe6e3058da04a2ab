"""``python -m holdfast.runtime``: run the one attempt that the environment names."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import NoReturn

from holdfast.contract.environment import AttemptEnvironment
from holdfast.contract.exit_codes import RunnerExit
from holdfast.domain.errors import AttemptEnvironmentError
from holdfast.runtime.attempt import Attempt
from holdfast.runtime.faults import NO_FAULTS, Faults
from holdfast.runtime.session import DEFAULT_SETTINGS, SessionSettings


def main(faults: Faults = NO_FAULTS, settings: SessionSettings = DEFAULT_SETTINGS) -> None:
    """Run the attempt that the environment names, and leave."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        environment = AttemptEnvironment.from_mapping(os.environ)
    except AttemptEnvironmentError as error:
        sys.stderr.write(f"holdfast: {error}\n")
        _leave(RunnerExit.USAGE)
    asyncio.run(_run_and_leave(environment, faults, settings))


async def _run_and_leave(environment: AttemptEnvironment, faults: Faults, settings: SessionSettings) -> NoReturn:
    """Run the attempt, then leave from inside the event loop: closing it waits for threads, which may never end."""
    try:
        code = await Attempt(environment, faults=faults, settings=settings).run()
    except Exception:
        logging.getLogger("holdfast").exception("holdfast: the runner failed")
        code = RunnerExit.INTERNAL
    _leave(code)


def _leave(code: RunnerExit) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
