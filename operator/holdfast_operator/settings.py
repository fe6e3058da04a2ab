"""How the operator works: read from the variables ``HOLDFAST_OPERATOR_*``."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from holdfast.contract.dsn import dsn_problem
from holdfast.domain.errors import HoldfastError

PREFIX: Final = "HOLDFAST_OPERATOR_"


class OperatorSettingsError(HoldfastError):
    """Variables of the operator's process are missing or malformed; lists all of them."""


def _default_identity() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, kw_only=True)
class OperatorSettings:
    """Each field is the variable of its name in capitals after ``HOLDFAST_OPERATOR_``. Times are in seconds."""

    #: Connection string, as a role that owns the schema.
    database: str = field(repr=False)
    #: How long a migration waits for a database that is not there yet. Default 300; 0: not at all.
    database_wait_seconds: float = 300.0
    #: Secret in the namespace of a run from which its pods read their connection string, as `holdfast_runner`.
    runner_secret: str = "holdfast-runner"
    #: Key in that Secret.
    runner_secret_key: str = "dsn"
    #: Where to look for resources, separated by commas. Default: everywhere.
    namespaces: tuple[str, ...] = ()
    #: How long the pods of ended attempts stay. Default 60; 0: they are deleted at once.
    pod_retention_seconds: int = 60
    #: How long the rows of finished runs stay. Default: for ever.
    retention_seconds: float | None = None
    #: Most pods at the same time. Default 5000.
    max_pods: int = 5000
    #: How many resources are reconciled at the same time. Default 32.
    workers: int = 32
    #: How long one reconciliation may take before it counts as failed. Default 120.
    reconcile_timeout_seconds: float = 120.0
    #: Between two lists of everything, which find what the watches missed. Default 300.
    sweep_interval_seconds: float = 300.0
    #: How long one watch lasts before it is made again. Default 120.
    watch_seconds: int = 120
    #: Name of the Lease by which one replica leads.
    lease_name: str = "holdfast-operator"
    #: Namespace of the Lease. Default "default"; in a pod, the namespace of the pod is right.
    lease_namespace: str = "default"
    #: How long a leader that is not heard of remains the leader. Default 15. One that could not renew its Lease for
    #: two thirds of that ends.
    lease_seconds: int = 15
    #: Between two signs of life of the leader. Default 5.
    lease_renew_seconds: float = 5.0
    #: Who this process is: the name of its pod. Default: host and process number.
    identity: str = field(default_factory=_default_identity)
    #: Where metrics and health are served. Default ":8080", which is all addresses.
    listen: str = ":8080"
    #: ``/healthz`` fails when the work queue holds keys and for so long none was finished. Default 300.
    queue_stall_seconds: float = 300.0
    #: ``/healthz`` fails when no service of the engine made a pass for so long. Default 300.
    engine_stall_seconds: float = 300.0
    #: ``/healthz`` fails when for so long no watch was made again that should have been. Default 60.
    watch_stall_seconds: float = 60.0
    #: Go through the proxy that ``HTTPS_PROXY`` names. Default false, because it costs more than a request itself.
    trust_env: bool = False

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> OperatorSettings:
        """Read the settings, usually from ``os.environ``. An empty variable counts as absent.

        Raises:
            OperatorSettingsError: lists every variable that is missing or malformed.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for setting in fields(cls):
            variable = PREFIX + setting.name.upper()
            text = variables.get(variable, "")
            if not text:
                if setting.name == "database":
                    problems.append(f"{variable} is not set")
                continue
            try:
                values[setting.name] = _dsn(text) if setting.name == "database" else _PARSERS[str(setting.type)](text)
            except ValueError as error:
                # What is kept out of its representation is secret.
                problems.append(f"{f'{variable}={text!r}' if setting.repr else variable} {error}")
        if problems:
            raise OperatorSettingsError(f"The operator cannot start: {'; '.join(problems)}.")
        return cls(**values)

    @property
    def scopes(self) -> tuple[str | None, ...]:
        """The namespaces to list, one by one; ``None`` is all of them."""
        return self.namespaces or (None,)

    @property
    def address(self) -> tuple[str | None, int]:
        """Host (``None``: all) and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host or None, int(port)


def _dsn(text: str) -> str:
    if problem := dsn_problem(text):
        raise ValueError(problem)
    return text


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("is no whole number")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("is no number of seconds") from None
    if not 0 <= seconds < float("inf"):
        raise ValueError("is no number of seconds")
    return seconds


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text == "true"


_PARSERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": _whole,
    "float": _seconds,
    "float | None": _seconds,
    "bool": _truth,
    "tuple[str, ...]": _names,
}
