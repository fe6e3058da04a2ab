"""The settings of the operator, from its environment."""

from __future__ import annotations

import pytest

from holdfast_operator.settings import OperatorSettings, OperatorSettingsError


def test_one_variable_is_enough() -> None:
    settings = OperatorSettings.from_mapping(
        {"HOLDFAST_OPERATOR_DATABASE": "postgresql:///runs", "HOLDFAST_OPERATOR_LISTEN": ""}
    )
    assert settings.scopes == (None,)
    assert settings.address == (None, 8080)
    assert settings.retention_seconds is None
    assert "runs" not in repr(settings)


def test_each_variable_is_read_by_its_type() -> None:
    settings = OperatorSettings.from_mapping(
        {
            "HOLDFAST_OPERATOR_DATABASE": "postgresql:///runs",
            "HOLDFAST_OPERATOR_NAMESPACES": "shop, billing",
            "HOLDFAST_OPERATOR_RETENTION_SECONDS": "86400.5",
            "HOLDFAST_OPERATOR_WORKERS": "8",
            "HOLDFAST_OPERATOR_LISTEN": "127.0.0.1:9090",
            "HOLDFAST_OPERATOR_TRUST_ENV": "true",
        }
    )
    assert settings.scopes == ("shop", "billing")
    assert settings.retention_seconds == 86400.5
    assert settings.workers == 8
    assert settings.address == ("127.0.0.1", 9090)
    assert settings.trust_env


def test_the_database_is_no_part_of_a_problem() -> None:
    with pytest.raises(OperatorSettingsError) as caught:
        OperatorSettings.from_mapping({"HOLDFAST_OPERATOR_DATABASE": "postgresql://app:s3cret/w0rd@host/runs"})
    assert "HOLDFAST_OPERATOR_DATABASE cannot be read: in its user and its password" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(OperatorSettingsError) as caught:
        OperatorSettings.from_mapping(
            {"HOLDFAST_OPERATOR_WORKERS": "many", "HOLDFAST_OPERATOR_SWEEP_INTERVAL_SECONDS": "-1"}
        )
    message = str(caught.value)
    assert "HOLDFAST_OPERATOR_DATABASE is not set" in message
    assert "HOLDFAST_OPERATOR_WORKERS='many' is no whole number" in message
    assert "HOLDFAST_OPERATOR_SWEEP_INTERVAL_SECONDS='-1' is no number of seconds" in message
