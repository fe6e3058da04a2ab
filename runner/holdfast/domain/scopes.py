"""Which step is which: a step's key is where it stands in the program, not when it happened to run.

A run is a tree of branches. The task's own body is branch ``0``. Each asyncio task (or thread) that a branch starts is
its next child: ``0.1``, ``0.2``, in the order in which they were *created*, which the program fixes, never in the order
in which they ran, which nobody fixes. The body of a step is a branch of its own, named by the step's key. Within a
branch everything is sequential, so "the n-th step called `fetch` in this branch" means the same in every attempt.

    0/fetch#1           first `fetch` in the task's body
    0.2/fetch#1         first `fetch` in the second task that the body started
    0/import#1/parse#3  third `parse` inside the body of the first `import`
    =order-42           a step with the explicit key `order-42`, wherever it is called

What closes a run, after its end is decided, stands beside the program in branches of its own:

    closing/0/charge#1/compensate#1     compensates the first `charge` in the task's body
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NewType

StepKey = NewType("StepKey", str)

ROOT = "0"
EXPLICIT_PREFIX = "="
_DIGITS = re.compile(r"[0-9]+")
CLOSING = "closing"


class Place(NamedTuple):
    """One step's place in the program.

    Attributes:
        key: identity across attempts.
        branch: path of the branch that called it.
        position: 1 for the first recorded operation of the branch, and so on; 0 for explicit keys, which have no order.
    """

    key: StepKey
    branch: str
    position: int


_new = tuple.__new__  # in half the time of Place(...), which every step of a replay waits for


class Branch:
    """One sequential strand of a run; counts what it has started. Not shared between asyncio tasks."""

    __slots__ = ("_calls", "_children", "_position", "path")

    def __init__(self, path: str = ROOT) -> None:
        self.path = path
        self._calls: dict[str, int] = {}
        self._children = 0
        self._position = 0

    def next_step(self, name: str) -> Place:
        """Return the place of the next step called ``name`` in this branch."""
        calls, path = self._calls, self.path
        calls[name] = count = calls.get(name, 0) + 1
        self._position = position = self._position + 1
        return _new(Place, (f"{path}/{name}#{count}", path, position))

    def explicit_step(self, key: str) -> Place:
        """Return the place of a step that the author identified with ``key``."""
        return Place(StepKey(EXPLICIT_PREFIX + key), self.path, 0)

    def is_ahead(self, key: str) -> bool:
        """Tell whether ``key`` belongs to what this branch has not started yet: a step, a branch, or the inside of one.

        An explicit key does not say whose it is: never ahead.
        """
        rest = key.removeprefix(self.path) if key.startswith((f"{self.path}.", f"{self.path}/")) else ""
        if rest.startswith("."):
            return _leading_number(rest[1:]) > self._children
        name, _, count = rest[1:].partition("#")
        return _leading_number(count) > self._calls.get(name, 0)

    def fork(self) -> Branch:
        """Return the branch of the next asyncio task or thread that this branch starts."""
        self._children += 1
        return Branch(f"{self.path}.{self._children}")


def _leading_number(text: str) -> int:
    digits = _DIGITS.match(text)
    return int(digits.group()) if digits else 0


def body_of(place: Place) -> Branch:
    """Return the branch in which a step's own body runs."""
    return Branch(place.key)


def branch_of(key: str) -> str:
    """Return the path of the branch that a recorded key belongs to; explicit keys (position 0) belong to none."""
    return key.rpartition("/")[0]


def is_inside(key: str, step: str) -> bool:
    """Tell whether ``key`` belongs to the body of ``step``, or to a branch that the body started."""
    return key.startswith((f"{step}/", f"{step}."))


def enclosing_paths(key: str) -> Iterator[str]:
    """Yield the branches around a recorded key, from the inside out; those that are keys of steps are their bodies."""
    path = branch_of(key)
    while path:
        yield path
        head, dot, child = path.rpartition(".")
        path = head if dot and child.isdigit() else branch_of(path)
