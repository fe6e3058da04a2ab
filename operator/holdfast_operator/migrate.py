"""``python -m holdfast_operator.migrate``: bring the operator's database up to date, before its pod starts to work.

Safe to run at any time, and by several at once. A database that is late is waited for.
"""

from __future__ import annotations

import asyncio
import os
import sys

from holdfast.domain.errors import HoldfastError
from holdfast_engine.postgres.migrations import migrate
from holdfast_operator.database_wait import when_it_is_there
from holdfast_operator.settings import OperatorSettings


def main() -> int:
    """Migrate the database that ``HOLDFAST_OPERATOR_DATABASE`` names; 1, with a sentence, when that is impossible."""
    try:
        settings = OperatorSettings.from_mapping(os.environ)
        waiting = when_it_is_there(lambda: migrate(settings.database), settings.database_wait_seconds, _tell)
        report = asyncio.run(waiting)
    except HoldfastError as error:
        _tell(str(error))
        return 1
    print(f"database is at version {report.version} ({', '.join(report.applied) or 'nothing to apply'})")
    return 0


def _tell(sentence: str) -> None:
    sys.stderr.write(f"holdfast: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
