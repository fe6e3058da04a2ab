"""Plain scalars of YAML mean what they mean to kubectl.

The table is what `sigs.k8s.io/yaml` v1.6.0, the library inside kubectl, answers.
"""

from __future__ import annotations

import math

import pytest

from holdfast.contract.yaml_scalar import plain_scalar
from holdfast.contract.yaml_text import read_documents, write_documents

KUBECTL: list[tuple[str, object]] = [
    *((word, True) for word in ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE")),
    *((word, False) for word in ("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE")),
    *((word, None) for word in ("~", "null", "Null", "NULL")),
    *((word, word) for word in ("yEs", "tRue", "nULL", "nil", "Infinity", "nan", "=", "<<")),
    *((text, text) for text in ("2027-01-01", "2027-01-01T00:00:00Z", "12:30", "12:30:45", "1:2", "1.2.3")),
    *((text, text) for text in ("0x", "0b2", "1e", "0o8", "_1", ".", ".e1", "0x1p3", "1e400", "+", "+-1", "._5")),
    *((text, 8) for text in ("010", "0o10", "0O10", "+010", "08", "8.", "0_8", "8_")),
    *((text, 31) for text in ("0x1F", "0X1f", "0x_1F")),
    *((text, 5) for text in ("0b101", "0B101", "5", "+5", "5.0", ".5e1", "50e-1")),
    *((text, 1000) for text in ("1_000", "1e3", "1E3", "1e+3", "1__000")),
    *((text, 0) for text in ("0", "-0", "00", "0.e1", "-0.0")),
    ("-010", -8),
    ("-0b101", -5),
    ("099", 99),
    ("-1_000", -1000),
    ("1.5e-3", 0.0015),
    ("1_000.5", 1000.5),
    ("-.5", -0.5),
    ("00.5", 0.5),
    ("1e21", 1e21),
    ("9223372036854775807", 2**63 - 1),
]


@pytest.mark.parametrize(("text", "value"), KUBECTL)
def test_a_plain_scalar_means_what_it_means_to_kubectl(text: str, value: object) -> None:
    (document,) = read_documents(f"x: {text}")
    read = document.value["x"]
    assert (type(read), read) == (type(value), value)
    assert document.problems == []


@pytest.mark.parametrize("text", [".inf", "+.Inf", "-.INF", ".nan"])
def test_what_json_does_not_have_is_a_problem(text: str) -> None:
    assert not math.isfinite(float(str(plain_scalar(text))))
    (document,) = read_documents(f"x: {text}")
    assert [problem.message for problem in document.problems] == [f"is {text}, which JSON does not have"]


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "9" * 100])
def test_an_integer_that_kubernetes_would_round_is_a_problem(text: str) -> None:
    (document,) = read_documents(f"x: {text}")
    assert [problem.message for problem in document.problems] == [
        "is beyond 64 bits, which Kubernetes would round: quote it"
    ]


@pytest.mark.parametrize("text", [text for text, _ in KUBECTL])
def test_text_is_written_so_that_it_stays_text(text: str) -> None:
    (document,) = read_documents(write_documents([{"x": text}]))
    assert document.value == {"x": text}
