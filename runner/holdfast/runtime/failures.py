"""Which steps are behind an exception, so that the next try executes them again instead of repeating their failure."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.domain.scopes import StepKey


class FailedSteps:
    """Remembers, by identity, the exceptions that failed steps raised into the author's code."""

    def __init__(self) -> None:
        # the exceptions are kept too: an identity means nothing once its object is gone
        self._steps: dict[int, tuple[BaseException, list[StepKey]]] = {}
        self._branches: dict[int, tuple[BaseException, int]] = {}

    def remember(self, error: BaseException, key: StepKey) -> None:
        """Note that the step ``key`` failed with ``error``."""
        self._steps.setdefault(id(error), (error, []))[1].append(key)

    def remember_branch(self, error: BaseException, sequence: int) -> None:
        """Note that a branch ended with ``error`` when ``sequence`` was the number of the latest record."""
        self._branches.setdefault(id(error), (error, sequence))

    def behind(self, error: BaseException) -> tuple[StepKey, ...]:
        """Return the keys of all failed steps among ``error``, its causes, contexts and group members."""
        keys: dict[StepKey, None] = {}
        for part in _parts(error):
            for key in self._steps.get(id(part), (part, []))[1]:
                keys[key] = None
        return tuple(keys)

    def branches_behind(self, error: BaseException) -> list[int]:
        """Return the numbers of the latest records when branches ended with parts of ``error``."""
        return [self._branches[id(part)][1] for part in _parts(error) if id(part) in self._branches]


def _parts(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting += [part.__cause__, part.__context__]
        if isinstance(part, BaseExceptionGroup):
            waiting += part.exceptions
