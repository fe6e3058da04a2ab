"""What is wrong with a compensation is found when the step is declared."""

from __future__ import annotations

from typing import Any

import pytest
from typing_extensions import TypedDict

from holdfast import DefinitionError, step


class Booking(TypedDict):
    room: str


def takes_nothing() -> None: ...


def takes_two(result: str, guest: str) -> None: ...


def takes_number(number: int) -> None: ...


def takes_anything(result: Any) -> None: ...


def takes_booking(booking: Booking) -> None: ...


def takes_all(*results: str) -> None: ...


def generates(result: str) -> Any:
    yield result


@pytest.mark.parametrize(
    ("compensate", "message"),
    [
        (takes_nothing, "takes_nothing.* cannot be called with the result alone"),
        (takes_two, "takes_two.* cannot be called with the result alone"),
        (takes_number, "returns str, and its compensation takes_number takes int"),
        (generates, "generates is a generator"),
        ("refund", "is no function"),
    ],
)
def test_it_cannot_be_called_with_the_result(compensate: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):

        @step(compensate=compensate)
        async def book(room: str) -> str:
            return room


def test_a_step_that_returns_nothing_leaves_nothing_to_undo() -> None:
    with pytest.raises(DefinitionError, match="returns NoneType, and its compensation takes_number takes int"):

        @step(compensate=takes_number)
        async def book_quietly(room: str) -> None: ...


@pytest.mark.parametrize("compensate", [takes_anything, takes_all, takes_booking, lambda booking: None])
def test_it_can(compensate: Any) -> None:
    @step(compensate=compensate)
    async def book_as_typed(room: str) -> Booking:
        return {"room": room}


def test_a_step_outside_of_a_run_is_its_function() -> None:
    @step(compensate=takes_number)
    def count(room: str) -> int:
        return len(room)

    assert count("four") == 4
    assert count.function("four") == 4
    assert count.with_key("key").compensate is takes_number
