"""Tracebacks as people see them."""

from __future__ import annotations

from holdfast.cli.tracebacks import without_machinery

OURS = """  File "/env/lib/python3.11/site-packages/holdfast/runtime/session.py", line 9, in _run
    return await task(**parameters)
           ^^^^^^^^^^^^^^^^^^^^^^^^
"""
STEP = """  File "/src/runner/holdfast/sdk/step.py", line 3, in __call__
    return await self._execute()
"""
AUTHORS = """  File "/app/shop/orders.py", line 5, in order
    raise ValueError("no")
"""
HEADING = "Traceback (most recent call last):\n"


def test_frames_of_the_machinery_are_dropped_where_the_authors_are() -> None:
    shown = without_machinery(f"{HEADING}{OURS}{AUTHORS}{STEP}ValueError: no\n  and a second line")

    assert shown == f"{HEADING}{AUTHORS}ValueError: no\n  and a second line"


def test_a_part_without_the_authors_code_keeps_its_frames() -> None:
    cause = f"{HEADING}{OURS}{AUTHORS}ValueError: no\n"
    between = "\nThe above exception was the direct cause of the following exception:\n\n"
    effect = f"{HEADING}{OURS}StepFailedError: the step failed"

    shown = without_machinery(f"{cause}{between}{effect}")

    assert shown == f"{HEADING}{AUTHORS}ValueError: no\n{between}{effect}"


def test_an_author_may_be_installed_as_a_package() -> None:
    installed = AUTHORS.replace("/app", "/usr/lib/python3.11/site-packages")

    assert without_machinery(f"{HEADING}{OURS}{installed}ValueError: no") == f"{HEADING}{installed}ValueError: no"
    stdlib = AUTHORS.replace("/app", "/usr/lib/python3.11")
    assert "session.py" in without_machinery(f"{HEADING}{OURS}{stdlib}ValueError: no")


def test_the_frames_of_a_group_stand_behind_a_margin() -> None:
    group = f"{HEADING}{OURS}{AUTHORS}ExceptionGroup: two".replace("  File", "  |   File").replace("    r", "  |     r")

    shown = without_machinery(group)

    assert "session.py" not in shown
    assert "orders.py" in shown
