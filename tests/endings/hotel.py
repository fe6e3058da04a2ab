"""Steps with compensations: rooms of a hotel."""

from __future__ import annotations

from holdfast import Retry, step

done: list[str] = []
"""What the steps did, in this process."""

broken: set[str] = set()
"""Rooms that cannot be released."""

ONCE = Retry(max_attempts=1)


@step(retry=Retry(max_attempts=3, backoff=0.0))
async def release(room: str) -> None:
    """Undo a reservation."""
    done.append(f"release {room}")
    if room in broken:
        raise OSError(f"{room} is locked")


@step(compensate=release)
async def reserve(room: str) -> str:
    """Reserve a room."""
    done.append(f"reserve {room}")
    return room


def forget(room: str) -> None:
    """Undo a note, without being a step."""
    done.append(f"forget {room}")


@step(compensate=forget)
def note_down(room: str) -> str:
    """The same as a `def` step."""
    done.append(f"note {room}")
    return room


@step(compensate=release, key=lambda room: f"room-{room}")
async def reserve_by_key(room: str) -> str:
    """Reserve a room by an explicit key."""
    done.append(f"reserve {room}")
    return room


@step
async def look(room: str) -> None:
    """Nothing that would have to be undone."""
    done.append(f"look at {room}")
