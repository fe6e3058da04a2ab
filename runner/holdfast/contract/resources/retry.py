"""How often and how soon a run is tried again."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holdfast.contract.resources.model import Model
from holdfast.contract.resources.scalar import Seconds

MaxAttempts = Annotated[int, Field(strict=True, ge=1, le=1000)]
DisruptionLimit = Annotated[int, Field(strict=True, ge=0, le=1000)]
MultiplierPercent = Annotated[int, Field(strict=True, ge=100, le=10_000)]


class RetryPolicy(Model):
    """A task's retries: failures of its code against maxAttempts, loss of pods against disruptionLimit."""

    max_attempts: MaxAttempts = 3
    """How often the code may fail before the run is Failed. 1: never try again."""

    backoff_seconds: Seconds = 1
    """Wait before the first retry, in seconds. The actual wait is chosen at random up to this (full
    jitter)."""

    max_backoff_seconds: Seconds = 60
    """Longest wait before a retry, in seconds."""

    multiplier_percent: MultiplierPercent = 200
    """How much longer each wait is than the one before, in percent. 200 doubles it; 100 keeps it."""

    disruption_limit: DisruptionLimit = 20
    """How often the run may lose its pod through nobody's fault before it is Failed."""

    def overridden_by(self, overrides: RetryOverrides | None) -> RetryPolicy:
        """Return this policy with every field that ``overrides`` sets."""
        return (
            self
            if overrides is None
            else self.model_copy(update=overrides.model_dump(by_alias=False, exclude_none=True))
        )


class RetryOverrides(Model):
    """A run's own retries. A field that is not set is the task's."""

    max_attempts: MaxAttempts | None = None
    """How often the code may fail before the run is Failed. Default: the task's."""

    backoff_seconds: Seconds | None = None
    """Wait before the first retry, in seconds. Default: the task's."""

    max_backoff_seconds: Seconds | None = None
    """Longest wait before a retry, in seconds. Default: the task's."""

    multiplier_percent: MultiplierPercent | None = None
    """How much longer each wait is than the one before, in percent. Default: the task's."""

    disruption_limit: DisruptionLimit | None = None
    """How often the run may lose its pod through nobody's fault. Default: the task's."""
