"""``python -m holdfast_operator``: one replica of the operator, until SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys

from prometheus_client import disable_created_metrics

from holdfast.domain.errors import HoldfastError
from holdfast_operator.duties import duties
from holdfast_operator.exit_codes import OperatorExit
from holdfast_operator.lease import LeaseLostError
from holdfast_operator.operator import Operator
from holdfast_operator.settings import OperatorSettings
from holdfast_operator.watches import WatchesEndedError

_JSON_LEVELS = 12_000
"""More than the API server takes: an object that one user nested deeper than Python reads by itself would end every
list and every watch, those of all others too. With twice as many, what recurs without an end overflows the stack."""

_NEW_OBJECTS = 10_000
"""Between two looks of the garbage collector at the newest objects. By default it is 700, which one run makes."""

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


async def _run() -> None:
    await Operator(OperatorSettings.from_mapping(os.environ), duties).run()


def main() -> OperatorExit:
    """Run a replica with the settings of the environment; see `OperatorExit` for how it ends."""
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    sys.setrecursionlimit(_JSON_LEVELS)
    gc.set_threshold(_NEW_OBJECTS)
    gc.freeze()  # what was imported stays: no need to look at all of it again and again
    # Half of all series would tell when a counter was made, and nobody asks.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the package is typed in part
    try:
        asyncio.run(_run())
    except LeaseLostError as error:
        return _failed(OperatorExit.LEASE_LOST, error)
    except WatchesEndedError as error:
        return _failed(OperatorExit.WATCHES_ENDED, error)
    except (HoldfastError, OSError) as error:
        return _failed(OperatorExit.FAILED, error)
    return OperatorExit.OK


def _failed(code: OperatorExit, error: Exception) -> OperatorExit:
    sys.stderr.write(f"holdfast: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
