"""A deployment that waits for a person: for days if need be, and without a process.

holdfast run examples.approval.deployment:deploy \\
    --input '{"service": "shop", "version": "1.4", "owner": "ada", "head": "grace"}'
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from examples.approval import outbox
from holdfast import Retry, Token, TokenTimedOutError, create_token, run_info, step, task, wait_for_token


@dataclass(frozen=True)
class Decision:
    """What a person answers."""

    approved: bool
    by: str
    comment: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of the request. ``asked`` counts the letters that asked for an answer."""

    state: Literal["released", "refused", "unanswered"]
    asked: int
    decision: Decision | None = None


@step(retry=Retry(max_attempts=5, backoff=1.0))
async def send(id: str, to: str, text: str) -> None:
    """Write a letter. The same id again changes nothing, so a crash before the record does not send it twice."""
    await asyncio.to_thread(outbox.put, "letters", id, f"To: {to}\n\n{text}\n")


@step(retry=Retry(max_attempts=5, backoff=1.0))
async def release(id: str, service: str, version: str) -> None:
    """Roll the version out, once per id."""
    await asyncio.to_thread(outbox.put, "releases", id, f"{service} {version}\n")


@task(queue="deployments")
async def deploy(service: str, version: str, owner: str, head: str, answer_hours: float = 24.0) -> Outcome:
    """Ask the owner, remind them when the time is over, then ask the head; release what one of them approves."""
    request = str(run_info().run_id)
    what = f"{service} {version}"
    questions = [
        (owner, f"Please approve the release of {what}."),
        (owner, f"A reminder: the release of {what} waits for your approval."),
        (head, f"{owner} has not answered: may {what} be released?"),
    ]
    for asked, (to, question) in enumerate(questions, start=1):
        token = await create_token(timeout=timedelta(hours=answer_hours), tags=["deployment", service])
        await send(f"{request}-{asked}", to, f"{question}\n\n{how_to_answer(token, to)}")
        try:
            decision = await wait_for_token(token, Decision)
        except TokenTimedOutError:
            continue
        if decision.approved:
            await release(request, service, version)
        state: Literal["released", "refused"] = "released" if decision.approved else "refused"
        await send(f"{request}-outcome", owner, f"{what}: {state}, says {decision.by}. {decision.comment}".rstrip())
        return Outcome(state, asked, decision)
    await send(f"{request}-outcome", owner, f"{what}: nobody has answered, it is not released.")
    return Outcome("unanswered", len(questions))


def how_to_answer(token: Token, to: str) -> str:
    """What a person has to do. Only the newest letter counts: the token of an older one has timed out."""
    return f"""holdfast tokens complete {token} '{{"approved": true, "by": "{to}"}}'"""
