"""Recorded tracebacks as people see them: the author's code, without what stands below it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FRAME = re.compile(r'^(?P<margin>[ |]*)File "(?P<file>[^"]+)", line \d+')
_HEADING = "Traceback (most recent call last):"
_MACHINERY = re.compile(r"[\\/]holdfast[\\/](runtime|sdk)[\\/]")
_STANDARD_LIBRARY = re.compile(r"^<frozen |[\\/]lib[\\/]python\d[^\\/]*[\\/](?!site-packages)")


def without_machinery(traceback: str) -> str:
    """Drop the frames of Holdfast from each part of a traceback that has frames of the author's code.

    The record keeps them all; a part without any of the author's is shown as it is.
    """
    return "\n".join(line for part in _parts(traceback.splitlines()) for line in _shown(part))


def _parts(lines: list[str]) -> Iterator[list[str]]:
    """Causes stand before what they caused, each below its own heading."""
    part: list[str] = []
    for line in lines:
        if line.endswith(_HEADING) and part:
            yield part
            part = []
        part.append(line)
    yield part


def _shown(part: list[str]) -> Iterator[str]:
    frames = [frame["file"] for frame in map(_FRAME.match, part) if frame]
    if not any(_is_authors(file) for file in frames):
        yield from part
        return
    dropped_margin: str | None = None
    for line in part:
        frame = _FRAME.match(line)
        if frame:
            dropped_margin = frame["margin"] if _MACHINERY.search(frame["file"]) else None
        elif dropped_margin is not None and not line.startswith(dropped_margin + "  "):
            dropped_margin = None  # the frame's source lines are over
        if dropped_margin is None:
            yield line


def _is_authors(file: str) -> bool:
    return not _MACHINERY.search(file) and not _STANDARD_LIBRARY.search(file)
