"""Schemas of inputs that would fetch, recur or compute without an end: whoever checks by them lives on and says why."""

from __future__ import annotations

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.errors import InputError
from holdfast_engine.control import inputs
from holdfast_engine.control.inputs import check_input


def refusal(schema: dict[str, Any], value: Any = None) -> str:
    with pytest.raises(InputError) as caught:
        check_input(json.dumps({"x": value}), schema, "order")
    return str(caught.value)


def test_nothing_is_fetched_from_an_address() -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            assert "/secret" in refusal({"$ref": f"http://127.0.0.1:{server.server_port}/secret"})
        finally:
            server.shutdown()
    assert asked == []


def test_no_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "secret.json"
    file.write_text('{"required": ["what the file says"]}')
    assert "what the file says" not in refusal({"$ref": file.as_uri()})


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}])
def test_a_schema_that_is_itself(schema: dict[str, Any]) -> None:
    assert "without an end" in refusal(schema)


def test_a_reference_to_nothing() -> None:
    assert "'/$defs/nothing'" in refusal({"$ref": "#/$defs/nothing"})


def test_a_pattern_that_takes_years(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "CHECK_SECONDS", 0.1)
    before = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert "could not be checked" in refusal({"properties": {"x": {"pattern": "^(a+)+$"}}}, "a" * 60 + "!")
    after = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert after == before
