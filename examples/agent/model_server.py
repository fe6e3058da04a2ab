"""A stand-in for an OpenAI-compatible server, to practise with: it costs nothing, and shows every call that it gets.

    python -m examples.agent.model_server
    OPENAI_BASE_URL=http://127.0.0.1:8099/v1

`--seconds` lets it think, which leaves time to kill who asks.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from examples.agent.scripted_model import next_message

Refusal = tuple[int, dict[str, str]]
"""A status of HTTP, and headers."""


class ModelServer(ThreadingHTTPServer):
    """Serves chat completions on loopback.

    Args:
        port: 0 for one that is free.
        on_call: called with the number of messages in the transcript before each answer, in a thread per call; the
            answer waits for its return. With a ``Refusal``, that is the answer.

    Attributes:
        calls: for each call so far, how many messages its transcript had.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, on_call: Callable[[int], Refusal | None] = lambda _: None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.on_call = on_call
        self.calls: list[int] = []

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` should say."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_POST(self) -> None:
        if self.path != "/v1/chat/completions":
            self._answer(404, {"error": {"message": f"nothing at {self.path}"}})
            return
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        transcript = asked["messages"]
        self.server.calls.append(len(transcript))
        refusal = self.server.on_call(len(transcript))
        if refusal is not None:
            status, headers = refusal
            self._answer(status, {"error": {"message": "not now, or never"}}, headers)
            return
        message = next_message(transcript, bool(asked.get("tools")))
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        self._answer(200, {"object": "chat.completion", "model": asked["model"], "choices": [choice]})

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing by default: ``main`` tells of each call."""

    def _answer(self, status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        try:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # who asked was killed


def main() -> None:
    """Serve until Ctrl-C, and say of each call what came."""
    parser = argparse.ArgumentParser(description="A stand-in for an OpenAI-compatible server.")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long it thinks about each answer (0)")
    options = parser.parse_args()

    def think(messages: int) -> None:
        print(f"call {len(server.calls)}: a transcript of {messages} messages", flush=True)
        time.sleep(options.seconds)

    with ModelServer(options.port, think) as server:
        print(f"OPENAI_BASE_URL={server.base_url}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(f"{len(server.calls)} calls")


if __name__ == "__main__":
    main()
