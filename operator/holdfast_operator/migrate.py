"""``python -m holdfast_operator.migrate``: bring the operator's database up to date, before its pod starts to work.

Safe to run at any time, and by several at once.
"""

from __future__ import annotations

import asyncio
import os
import sys

from holdfast.domain.errors import HoldfastError
from holdfast_engine.postgres.migrations import migrate
from holdfast_operator.settings import OperatorSettings


def main() -> int:
    """Migrate the database that ``HOLDFAST_OPERATOR_DATABASE`` names; 1, with a sentence, when that is impossible."""
    try:
        report = asyncio.run(migrate(OperatorSettings.from_mapping(os.environ).database))
    except HoldfastError as error:
        sys.stderr.write(f"holdfast: {error}\n")
        return 1
    print(f"database is at version {report.version} ({', '.join(report.applied) or 'nothing to apply'})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
