"""What the task prints: passed on to the real streams, and kept line by line for the run's log, within limits.

Every line is kept or counted. Who prints too much loses lines until there is room for a second's worth again, so that
the log has stretches of lines with counts in between, not a count after each line.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TextIO

from holdfast.contract.limits import LOG_LINE_LIMIT_BYTES, LOG_LINES_BURST, LOG_LINES_PER_SECOND
from holdfast.protocol.messages import LogLine
from holdfast.sdk.journal import strand_variable

_LINES_PER_DELIVERY = 1000
_LINES_WAITING_LIMIT = 2 * LOG_LINES_BURST
"""What is kept while nothing can be delivered: the database is away, or the task blocks the event loop."""

_strand = strand_variable()


class _Line(NamedTuple):
    number: int
    written_at: float
    stream: str
    step_key: str | None
    text: str


class Output:
    """Lines that wait for delivery. Over the allowed rate they are dropped, counted, and the count becomes a line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[_Line] = deque()
        self._number = 0
        self._allowance = float(LOG_LINES_BURST)
        self._refilled_at = time.monotonic()
        self._is_dropping = False
        self._dropped = 0

    @property
    def has_lines(self) -> bool:
        """Whether a delivery has something to deliver."""
        return bool(self._lines) or self._dropped > 0

    def write_line(self, stream: str, text: str) -> None:
        """Keep one line, or count it as dropped."""
        strand = _strand.get()
        step_key = strand.branch.path if strand is not None and "/" in strand.branch.path else None
        with self._lock:
            now = time.monotonic()
            self._allowance = min(LOG_LINES_BURST, self._allowance + (now - self._refilled_at) * LOG_LINES_PER_SECOND)
            self._refilled_at = now
            self._is_dropping = self._allowance < (LOG_LINES_PER_SECOND if self._is_dropping else 1)
            if self._is_dropping or len(self._lines) >= _LINES_WAITING_LIMIT:
                self._dropped += 1
                return
            self._allowance -= 1
            self._append_dropped(now)
            self._append(now, stream, step_key, _storable(text))

    def waiting_lines(self) -> list[LogLine]:
        """Return the oldest lines that were not delivered yet."""
        now = time.monotonic()
        with self._lock:
            self._append_dropped(now)
            return [
                LogLine(line.number, int((now - line.written_at) * 1000), line.stream, line.step_key, line.text)
                for line in list(self._lines)[:_LINES_PER_DELIVERY]
            ]

    def delivered(self, lines: list[LogLine]) -> None:
        """Forget lines that the database has."""
        with self._lock:
            for line in lines:
                if self._lines and self._lines[0].number <= line.line_number:
                    self._lines.popleft()

    @contextmanager
    def captured(self) -> Iterator[None]:
        """Capture ``sys.stdout`` and ``sys.stderr`` while the context is open."""
        real_out, real_err = sys.stdout, sys.stderr
        tees = _Tee(real_out, "stdout", self), _Tee(real_err, "stderr", self)
        sys.stdout, sys.stderr = tees
        try:
            yield
        finally:
            sys.stdout, sys.stderr = real_out, real_err
            for tee in tees:
                tee.end()

    def _append(self, now: float, stream: str, step_key: str | None, text: str) -> None:
        self._number += 1
        self._lines.append(_Line(self._number, now, stream, step_key, text))

    def _append_dropped(self, now: float) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._append(now, "stderr", None, f"[{dropped} lines dropped: more than {LOG_LINES_PER_SECOND} per second]")


class _Tee(io.TextIOBase):
    """A text stream that passes everything on, and gives whole lines to the output. Each thread has its own line."""

    def __init__(self, real: TextIO, stream: str, output: Output) -> None:
        self._real = real
        self._stream = stream
        self._output: Output | None = output
        self._rests: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)  # what text streams can do besides: buffer, name, reconfigure

    @property
    def encoding(self) -> str:  # type: ignore[override]  # writable in typeshed, read-only in io
        return self._real.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # as above
        return self._real.errors

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._real.isatty()

    def fileno(self) -> int:
        return self._real.fileno()

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # nobody reads it any more; the run's log still does
            self._real.write(text)
        if self._output is not None:
            thread = threading.get_ident()
            *lines, rest = (self._rests.get(thread, "") + text).split("\n")
            self._rests[thread] = rest[: LOG_LINE_LIMIT_BYTES + 1]
            for line in lines:
                self._output.write_line(self._stream, line)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):  # as above
            self._real.flush()

    def end(self) -> None:
        """Give what was begun to the output, and nothing more from now on."""
        output, self._output = self._output, None
        for rest in self._rests.values():
            if rest and output is not None:
                output.write_line(self._stream, rest)


def _storable(text: str) -> str:
    # Postgres cannot hold a NUL in a text
    encoded = text.replace("\0", "\\0").encode("utf-8", "backslashreplace")
    cut = encoded[:LOG_LINE_LIMIT_BYTES].decode("utf-8", "ignore")
    return cut if len(encoded) <= LOG_LINE_LIMIT_BYTES else cut + "…"
