"""What can be changed in a task itself while its runs are in flight: the rows of the docs' second table, as source."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.program_changes import GOES_ON

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


def as_it_was_but(old: str, new: str) -> str:
    """The task with one thing changed."""
    assert old in _AS_IT_WAS
    return _AS_IT_WAS.replace(old, new)


_AS_DEF = """
@step(name="charge")
def charge_now(cents: int) -> int:
    return cents


@task
def pay(cents: int) -> int:
    return charge_now(cents)
"""

_OTHER_OPTIONS = "@task(queue='other', timeout=7, retry=Retry(max_attempts=9))"

task_changes = [
    TaskChange("the function of the task is renamed or removed", "`UnknownTask`", as_it_was_but("pay", "pay_now")),
    TaskChange("its module is moved, or does not import", "`ImportFailed`", "import no_such_package\n" + _AS_IT_WAS),
    TaskChange("the `name=` of the task changes", GOES_ON, as_it_was_but("@task", "@task(name='pay-it')"), 1200),
    TaskChange("a parameter with a default is added", GOES_ON, as_it_was_but("s: int", "s: int, tip: int = 0"), 1200),
    TaskChange("a parameter without a default is added", "`InputInvalid`", as_it_was_but("s: int", "s: int, tip: int")),
    TaskChange("a parameter is renamed or removed", "`InputInvalid`", as_it_was_but("cents", "euros")),
    TaskChange(
        "the type of a parameter takes the stored input", GOES_ON, as_it_was_but("s: int", "s: int | None"), 1200
    ),
    TaskChange(
        "the type of a parameter no longer takes the stored input",
        "`InputInvalid`",
        as_it_was_but("s: int", "s: list[int]"),
    ),
    TaskChange("the annotation of the task's result changes", GOES_ON, as_it_was_but("-> int", "-> float"), 1200.0),
    TaskChange(
        "the `retry`, `timeout` or `queue` of the task changes", GOES_ON, as_it_was_but("@task", _OTHER_OPTIONS), 1200
    ),
    TaskChange("the task becomes `def`, or `async def`", GOES_ON, _AS_DEF, 1200),
]
