"""A journey that is booked as a whole or not at all: flight, room and payment, each undone if the journey fails.

holdfast run examples.saga.travel:book_journey --input '{"traveler": "ada", "to": "Lisbon", "cents": 90000}'
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from examples.saga import ledger
from holdfast import NonRetryableError, Retry, create_token, run_info, step, task, wait_for_token


@dataclass(frozen=True)
class Booking:
    """What it takes to undo a booking: where it is, and its id."""

    service: str
    id: str


_PATIENT = Retry(max_attempts=10, backoff=0.5)


@step(retry=_PATIENT)
async def cancel_booking(booking: Booking) -> None:
    """Undo a booking, however often that takes."""
    await asyncio.to_thread(ledger.take_out, booking.service, booking.id)


@step(compensate=cancel_booking)
async def book_flight(journey: str, traveler: str, to: str) -> Booking:
    """The flight there and back."""
    await asyncio.to_thread(ledger.put, "flights", journey, f"{traveler} to {to}")
    return Booking("flights", journey)


@step(compensate=cancel_booking)
async def charge(journey: str, traveler: str, cents: int) -> Booking:
    """Charge the card; undoing it is a refund."""
    await asyncio.to_thread(ledger.put, "payments", journey, f"{cents} cents of {traveler}")
    return Booking("payments", journey)


@step(compensate=cancel_booking)
async def book_room(journey: str, traveler: str, to: str) -> Booking:
    """The room. In Atlantis they are all under water."""
    if to == "Atlantis":
        raise NonRetryableError(f"no room in {to}") from ledger.SoldOut(to)
    await asyncio.to_thread(ledger.put, "rooms", journey, f"{traveler} in {to}")
    return Booking("rooms", journey)


@task(queue="journeys", retry=Retry(max_attempts=3), timeout=7 * 24 * 3600)
async def book_journey(traveler: str, to: str, cents: int, ask: bool = False) -> str:
    """Book everything and return the id of the journey. With ``ask``, only once somebody has confirmed it."""
    journey = str(run_info().run_id)
    await book_flight(journey, traveler, to)
    await charge(journey, traveler, cents)
    if ask:
        await wait_for_token(await create_token(tags=["journey", traveler]))
    await book_room(journey, traveler, to)
    return journey
