"""All objects of a kind at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast_operator.kinds import Object


@dataclass(frozen=True)
class Listing:
    """What a list showed."""

    items: list[Object]
    #: Version of the moment: objects with a greater one came or changed later.
    version: int
