"""Questions that are asked at about the same time get their answers together: one query for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

LARGEST = 100


class Batches(Generic[Question, Answer]):
    """Collects questions while an earlier batch is under way. No answer is older than its question.

    Args:
        ask: answers several questions at once, in their order.
        largest: most questions of one batch. Default 100.
    """

    def __init__(
        self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]], *, largest: int = LARGEST
    ) -> None:
        self._ask = ask
        self._largest = largest
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, question: Question) -> Answer:
        """The answer to a question; what `ask` raises is raised to everyone of the batch."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all(), name="holdfast batches")
        return await future

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                await self._answer_all([each for each in batch if not each[1].done()])
        finally:
            self._asking = None

    async def _answer_all(self, batch: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        futures = [future for _, future in batch]
        try:
            answers = await self._ask([question for question, _ in batch])
        except BaseException as error:
            for future in futures:
                if not future.done():
                    future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for future, answer in zip(futures, answers, strict=True):
            if not future.done():  # who asked may have given up
                future.set_result(answer)
