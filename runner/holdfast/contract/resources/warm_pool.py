"""Pods that wait for runs, so that a run need not wait for a pod."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holdfast.contract.resources.model import Model
from holdfast.contract.resources.scalar import Seconds


class WarmPool(Model):
    """How many pods are kept ready."""

    min: Annotated[int, Field(strict=True, ge=0, le=1000)] = 0
    """Pods that are kept ready. 0: none."""

    idle_seconds: Seconds = 300
    """How long an idle pod above the minimum is kept, in seconds."""
