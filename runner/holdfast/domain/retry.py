"""How often a step is tried, and how long it waits in between."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.domain.errors import DefinitionError, NonRetryableError, RetryAfter

_EXPONENT_LIMIT = 60
"""2.0 ** 60 s is past every sensible ``max_backoff``; it keeps the power finite."""


def is_number(value: object) -> bool:
    """Tell whether ``value`` is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry policy: ``min(max_backoff, backoff * multiplier ** (tries - 1))`` seconds, with full jitter.

    Full jitter: the wait is drawn evenly from 0 to that bound, so that many failures at once do not return at once.

    Attributes:
        max_attempts: tries in total, the first one included; 1 means no retry.
        backoff: bound of the first wait, in seconds.
        max_backoff: upper bound of every wait, in seconds.
        multiplier: growth of the bound from try to try.
        give_up_on: exceptions that are not worth another try.
    """

    max_attempts: int = 3
    backoff: float = 1.0
    max_backoff: float = 60.0
    multiplier: float = 2.0
    give_up_on: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        for name in ("backoff", "max_backoff", "multiplier"):
            if not is_number(getattr(self, name)):
                raise DefinitionError(f"Retry({name}={getattr(self, name)!r}): a finite number is needed")
        if type(self.max_attempts) is not int:
            raise DefinitionError(f"Retry(max_attempts={self.max_attempts!r}): a whole number is needed")
        if self.max_attempts < 1:
            raise DefinitionError(f"Retry(max_attempts={self.max_attempts}): at least one try is needed")
        if self.backoff < 0 or self.max_backoff < 0:
            raise DefinitionError(f"{self}: a wait must not be negative")
        if self.multiplier < 1:
            raise DefinitionError(f"Retry(multiplier={self.multiplier}): waits must not shrink, use 1.0 or more")

    def bound_seconds(self, tries: int) -> float:
        """Return the longest wait after ``tries`` failed tries (1 or more), in seconds."""
        return float(min(self.max_backoff, self.backoff * self.multiplier ** min(tries - 1, _EXPONENT_LIMIT)))

    def wait_seconds(self, error: Exception, tries: int, draw: Callable[[], float]) -> float | None:
        """Return how long to wait after try number ``tries`` failed with ``error``, or None to give up.

        ``draw`` returns a number in [0, 1). A delay that the code itself asked for (``RetryAfter``) wins.
        """
        if tries >= self.max_attempts or isinstance(error, (NonRetryableError, *self.give_up_on)):
            return None
        if isinstance(error, RetryAfter):
            return error.seconds
        return draw() * self.bound_seconds(tries)


NO_RETRY = Retry(max_attempts=1)
