"""What the stand-in says: the same to the same transcript, as no real model does. It keeps nothing in mind.

It looks for modules that speak of the word in quotes, asks for a description of each (and of one that it made up, as
models do), then for the length of those that it found, and answers with what it was told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

WireMessage = dict[str, Any]


def next_message(transcript: list[WireMessage], may_use_tools: bool) -> WireMessage:
    """The model's answer to a transcript."""
    if not may_use_tools:
        return _says(f"As far as I came: {_answer(transcript)}")
    match sum(message["role"] == "assistant" for message in transcript):
        case 0:
            return _calls(0, [("find_modules", {"word": _word(transcript)})])
        case 1:
            modules = [*_modules(transcript), f"{_word(transcript)}_magic"]
            return _calls(1, [("describe", {"module": module}) for module in modules])
        case 2:
            described = [
                each for each in _modules(transcript) if not _told(transcript, "describe", each).startswith("error:")
            ]
            return _calls(2, [("count_lines", {"module": module}) for module in described])
        case _:
            return _says(_answer(transcript))


def _answer(transcript: list[WireMessage]) -> str:
    sentences = [
        f"{module} ({_told(transcript, 'count_lines', module) or '?'} lines): {_told(transcript, 'describe', module)}"
        for module in _modules(transcript)
    ]
    return "\n".join(sentences) or "nothing"


def _word(transcript: list[WireMessage]) -> str:
    question = next(message["content"] for message in transcript if message["role"] == "user")
    quoted = re.search(r'"([^"]+)"', question)
    return quoted[1] if quoted else question.strip(" ?!.").rpartition(" ")[2]


def _modules(transcript: list[WireMessage]) -> list[str]:
    found = _told(transcript, "find_modules", _word(transcript))
    return list(json.loads(found)) if found else []


def _told(transcript: list[WireMessage], tool: str, argument: str) -> str:
    """What a tool said, when it was asked for this; empty if it was not."""
    answers = {message["tool_call_id"]: message["content"] for message in transcript if message["role"] == "tool"}
    for message in transcript:
        for call in message.get("tool_calls", ()):
            if call["function"]["name"] == tool and argument in json.loads(call["function"]["arguments"]).values():
                return str(answers.get(call["id"], ""))
    return ""


def _says(text: str) -> WireMessage:
    return {"role": "assistant", "content": text}


def _calls(number: int, calls: Iterable[tuple[str, dict[str, str]]]) -> WireMessage:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": f"call-{number}-{position}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for position, (name, arguments) in enumerate(calls)
        ],
    }
