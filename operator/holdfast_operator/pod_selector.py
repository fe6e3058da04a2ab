"""Which pods are ours."""

from __future__ import annotations

from typing import Final

from holdfast.contract import labels

POD_SELECTOR: Final = labels.RUN
"""A label selector: the pods that carry this label, whatever its value."""
