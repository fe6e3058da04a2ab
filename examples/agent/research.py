"""A research agent: a model and its tools take turns until there is an answer, and no turn is taken twice.

holdfast run examples.agent.research:research --input '{"question": "What does the library have for \\"gzip\\"?"}'
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from examples.agent import chat, tools
from examples.agent.chat import Message, ToolCall
from holdfast import NonRetryableError, Retry, RetryAfter, gather, step, task

INSTRUCTIONS = Message("system", "Answer from what the tools tell you about Python's standard library, briefly.")
CONCLUDE = Message("user", "No more tools: answer with what you know by now.")


@dataclass(frozen=True)
class Report:
    """The answer, and all that was said on the way to it."""

    answer: str
    rounds: int
    transcript: tuple[Message, ...]


@step(retry=Retry(max_attempts=5, backoff=0.5))
async def ask_model(transcript: tuple[Message, ...], may_use_tools: bool) -> Message:
    """The model's next message. It is paid for once: later attempts get what is recorded."""
    offered = tools.schemas() if may_use_tools else []
    try:
        return await asyncio.to_thread(chat.complete, transcript, offered)
    except chat.ModelBusy as error:
        raise RetryAfter(error.seconds, str(error)) from error
    except chat.ModelRefused as error:
        raise NonRetryableError(str(error)) from error


@step
async def use_tool(call: ToolCall) -> Message:
    """What the tool says, or why it cannot: a model reads both."""
    try:
        text = await asyncio.to_thread(tools.call, call.name, call.arguments)
    except tools.ToolError as error:
        text = f"error: {error}"
    trace(call)
    return Message("tool", text, tool_call_id=call.id)


@task(queue="research", retry=Retry(max_attempts=3), timeout=3600)
async def research(question: str, rounds: int = 8) -> Report:
    """Let the model ask its tools, those of one round side by side, for at most so many rounds; then it must answer."""
    transcript = [INSTRUCTIONS, Message("user", question)]
    for number in range(1, rounds + 1):
        is_last = number == rounds
        if is_last:
            transcript.append(CONCLUDE)
        message = await ask_model(tuple(transcript), not is_last)
        transcript.append(message)
        if is_last or not message.tool_calls:
            return Report(message.content, number, tuple(transcript))
        transcript += await gather(*(use_tool(call) for call in message.tool_calls))
    raise NonRetryableError(f"research in {rounds} rounds: at least one is needed")


def trace(call: ToolCall) -> None:
    """Tell the file named by AGENT_TRACE, if any, that a tool was used, and by which process."""
    file = os.environ.get("AGENT_TRACE")
    if file:
        with Path(file).open("a") as lines:
            lines.write(f"{os.getpid()} {call.name} {call.arguments}\n")
