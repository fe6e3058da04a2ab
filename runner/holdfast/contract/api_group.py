"""Where the resources live in the Kubernetes API."""

from __future__ import annotations

from typing import Final

GROUP: Final = "holdfast.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "holdfast.dev/v1alpha1"
