"""What can be changed in a task itself while its runs are in flight: each row of the docs' second table, as source text."""

from __future__ import annotations

from dataclasses import dataclass

_HEAD = """
from holdfast import Retry, step, task


@step
async def charge(cents: int) -> int:
    return cents
"""

_AS_IT_WAS = """
@task
async def pay(cents: int) -> int:
    return await charge(cents)
"""


@dataclass(frozen=True)
class TaskChange:
    """One row.

    Attributes:
        what: the first cell of the row.
        outcome: how the second one begins: "goes on", or the reason of a dead letter.
        after: the task as it is now.
        result: what it returns; None if the run does not succeed.
    """

    what: str
    outcome: str
    after: str
    result: object = None

    @property
    def source(self) -> str:
        """The module as it is now."""
        return _HEAD + self.after


BEFORE = _HEAD + _AS_IT_WAS

task_changes = [
    TaskChange(
        "the function of the task is renamed or removed", "`UnknownTask`", _AS_IT_WAS.replace("pay", "pay_now")
    ),
    TaskChange("its module is moved, or does not import", "`ImportFailed`", "import no_such_package\n" + _AS_IT_WAS),
    TaskChange("the `name=` of the task changes", "goes on", _AS_IT_WAS.replace("@task", "@task(name='pay-it')"), 1200),
    TaskChange(
        "a parameter with a default is added", "goes on", _AS_IT_WAS.replace("cents: int)", "cents: int, tip: int = 0)"), 1200
    ),
    TaskChange(
        "a parameter without a default is added",
        "`InputInvalid`",
        _AS_IT_WAS.replace("cents: int)", "cents: int, tip: int)"),
    ),
    TaskChange("a parameter is renamed or removed", "`InputInvalid`", _AS_IT_WAS.replace("cents", "euros")),
    TaskChange("the type of a parameter takes the stored input", "goes on", _AS_IT_WAS.replace("(cents: int)", "(cents: int | None)"), 1200),
    TaskChange(
        "the type of a parameter no longer takes the stored input",
        "`InputInvalid`",
        _AS_IT_WAS.replace("(cents: int)", "(cents: list[int])"),
    ),
    TaskChange("the annotation of the task's result changes", "goes on", _AS_IT_WAS.replace("-> int", "-> float"), 1200.0),
    TaskChange(
        "the `retry`, `timeout` or `queue` of the task changes",
        "goes on",
        _AS_IT_WAS.replace("@task", "@task(queue='other', timeout=7, retry=Retry(max_attempts=9))"),
        1200,
    ),
    TaskChange("the task becomes `def`, or `async def`", "goes on", "\n".join([
        "@step(name='charge')", "def charge_now(cents: int) -> int:", "    return cents", "",
        "@task", "def pay(cents: int) -> int:", "    return charge_now(cents)", ""]), 1200),
]  # fmt: skip
