"""A payment provider to practise with: it fails the first times, and refuses some cards for good."""

from __future__ import annotations


class PaymentUnavailable(Exception):
    """Nobody knows why. Later it may work."""


class TooManyRequests(Exception):
    """It works again after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many requests, come back in {seconds:g} s")
        self.seconds = seconds


class CardDeclined(Exception):
    """It will never work with this card."""


class Payments:
    """The provider. Charging twice with one idempotency key charges once.

    Args:
        refuse_first: how many requests fail before one works.
    """

    def __init__(self, refuse_first: int) -> None:
        self._refuse_first = refuse_first
        self._requests = 0
        self._charges: dict[str, str] = {}

    def charge(self, cents: int, card: str, idempotency_key: str) -> str:
        """Charge the card and return the payment's id."""
        self._requests += 1
        if card == "declined":
            raise CardDeclined(f"the bank refuses to pay {cents} cents")
        if self._requests == 1 and self._refuse_first > 1:
            raise TooManyRequests(seconds=0.1)
        if self._requests <= self._refuse_first:
            raise PaymentUnavailable("the line to the bank is down")
        return self._charges.setdefault(idempotency_key, f"payment-{idempotency_key[:8]}")
