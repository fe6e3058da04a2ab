"""Names of what the operator makes: the same every time, so that what was made before a crash is found after it."""

from __future__ import annotations

import re
from hashlib import sha256

LONGEST = 63
_HASH_LENGTH = 8
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def pod_name(run: str, attempt: int) -> str:
    """Name of the pod of an attempt: ``order-42-1``; cut, with a hash, if that is too long for the name of a host."""
    return _fitting(run, f"-{attempt}")


def task_run_name(run: str) -> str:
    """Name of the TaskRun of a run from code: the run's, changed only if Kubernetes allows no such name."""
    return _fitting(run, "")


def label_value(text: str) -> str:
    """``text`` as the value of a label; changed only if Kubernetes allows no such value."""
    return text if len(text) <= LONGEST and _LABEL_VALUE.fullmatch(text) else _fitting(text, "")


def is_label_value(text: str) -> bool:
    """Whether ``text`` can be the value of a label as it is."""
    return len(text) <= LONGEST and _LABEL_VALUE.fullmatch(text) is not None


def _fitting(name: str, suffix: str) -> str:
    whole = name + suffix
    if len(whole) <= LONGEST and _NAME.fullmatch(whole):
        return whole
    hashed = f"-{sha256(name.encode()).hexdigest()[:_HASH_LENGTH]}{suffix}"
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())[: LONGEST - len(hashed)].strip("-")
    return (plain + hashed).lstrip("-")
