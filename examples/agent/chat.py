"""A model that is asked over HTTP, in the form of OpenAI's chat completions. Nothing in here knows how a run survives.

The environment says which: `OPENAI_BASE_URL` (default: the stand-in of `model_server.py`), `OPENAI_API_KEY` and
`OPENAI_MODEL`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message as Headers
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

DEFAULT_BASE_URL = "http://127.0.0.1:8099/v1"
ANSWER_TIMEOUT_SECONDS = 120.0
WITHOUT_ADVICE_SECONDS = 5.0


@dataclass(frozen=True)
class ToolCall:
    """What the model wants to be called. ``arguments`` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One entry of the transcript. ``tool_call_id`` says which call a tool's message answers."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class ModelBusy(Exception):
    """The server asks for patience: it works again after ``seconds``."""

    def __init__(self, seconds: float, message: str) -> None:
        super().__init__(seconds, message)
        self.seconds = seconds


class ModelRefused(Exception):
    """The server will never take this request: a wrong key, an unknown model, a transcript that is too long."""


class ModelUnintelligible(Exception):
    """The server answered something that is no chat completion."""


def complete(transcript: Sequence[Message], tools: Sequence[dict[str, Any]]) -> Message:
    """Ask for the next message; no ``tools``, no tool calls.

    Raises:
        ModelBusy, ModelRefused, ModelUnintelligible: as their names say.
        OSError: the server cannot be reached, or failed; it may work later.
    """
    body: dict[str, Any] = {
        "model": os.environ.get("OPENAI_MODEL", "stand-in"),
        "messages": [_to_wire(message) for message in transcript],
    }
    if tools:
        body["tools"] = list(tools)
    base_url = os.environ.get("OPENAI_BASE_URL", DEFAULT_BASE_URL).rstrip("/")
    request = Request(
        f"{base_url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}",
        },
    )
    try:
        with urlopen(request, timeout=ANSWER_TIMEOUT_SECONDS) as answer:
            return _from_wire(answer.read())
    except HTTPError as error:
        with error:
            said = f"{error.code} {error.reason}: {error.read(500).decode(errors='replace')}"
        if error.code in (429, 503):
            raise ModelBusy(_retry_after_seconds(error.headers), said) from None
        if 400 <= error.code < 500:
            raise ModelRefused(said) from None
        raise


def _to_wire(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _from_wire(body: bytes) -> Message:
    try:
        message = json.loads(body)["choices"][0]["message"]
        calls = tuple(
            ToolCall(str(call["id"]), str(call["function"]["name"]), str(call["function"]["arguments"]))
            for call in message.get("tool_calls") or ()
        )
        return Message("assistant", str(message.get("content") or ""), calls)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelUnintelligible(f"{error!r} in {body[:500]!r}") from None


def _retry_after_seconds(headers: Headers) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:  # none, or a date
        return WITHOUT_ADVICE_SECONDS
