"""An order: charged once, shipped once, whatever fails in between.

holdfast run examples.orders.orders:process_order --input '{"order_id": "42", "cents": 1200}'
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from examples.orders.payments import CardDeclined, Payments, TooManyRequests
from holdfast import NonRetryableError, Retry, RetryAfter, now, step, task, uuid4

payments = Payments(refuse_first=2)


@dataclass(frozen=True)
class Receipt:
    """What the customer gets."""

    order_id: str
    payment: str
    parcel: str
    charged_at: datetime


@step(retry=Retry(max_attempts=5, backoff=0.2))
async def charge(order_id: str, cents: int, card: str) -> str:
    """Charge the card. The provider is moody: it is asked again when it says so, and never after a refusal."""
    try:
        # the key is the same in every try: a charge that was made, but not recorded, is not made twice
        return payments.charge(cents, card, idempotency_key=f"order-{order_id}")
    except TooManyRequests as error:
        raise RetryAfter(error.seconds, str(error)) from error
    except CardDeclined as error:
        raise NonRetryableError(f"order {order_id}: {error}") from error


@step
async def reserve(order_id: str, items: int) -> int:
    """Take the goods from the shelf."""
    return items


@step
def ship(order_id: str, parcel: str) -> str:
    """A step may be a plain function too."""
    return f"parcel-{parcel}"


@task(queue="orders", retry=Retry(max_attempts=3), timeout=3600)
async def process_order(order_id: str, cents: int, items: int = 1, card: str = "good") -> Receipt:
    """Charge, reserve and ship one order."""
    await reserve(order_id, items)
    payment = await charge(order_id, cents, card)
    charged_at = now()
    parcel = ship(order_id, str(uuid4()))
    return Receipt(order_id, payment, parcel, charged_at)
