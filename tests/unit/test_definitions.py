"""What ``@task``, ``@step`` and ``Retry`` refuse where they are written, in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from holdfast import DefinitionError, Retry, patched, step, task


async def anything() -> None: ...


REFUSED: dict[str, Callable[[], Any]] = {
    r"retry=3 must be a Retry\(\.\.\.\)": lambda: task(retry=3)(anything),  # type: ignore[call-overload]  # that is it
    r"task anything: timeout='1h' must be a number of seconds": lambda: task(timeout="1h")(anything),  # type: ignore[call-overload]  # that is it
    r"attempt_timeout=nan must be": lambda: task(attempt_timeout=math.nan)(anything),
    r"step anything: timeout='1h' must be": lambda: step(timeout="1h")(anything),  # type: ignore[call-overload]  # that is it
    r"step anything: timeout=inf must be": lambda: step(timeout=math.inf)(anything),
    r"step anything: retry=2 must be": lambda: step(retry=2)(anything),  # type: ignore[call-overload]  # that is it
    r"Retry\(backoff=nan\)": lambda: Retry(backoff=math.nan),
    r"Retry\(multiplier='2'\)": lambda: Retry(multiplier="2"),  # type: ignore[arg-type]  # that is it
    r"Retry\(max_attempts=2\.5\)": lambda: Retry(max_attempts=2.5),  # type: ignore[arg-type]  # that is it
    r"patched\(5\) needs a text": lambda: patched(5),  # type: ignore[arg-type]  # that is it
}


@pytest.mark.parametrize("says", REFUSED)
def test_it_is_refused_where_it_is_written(says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        REFUSED[says]()
