"""``holdfast step`` and ``holdfast sleep``: what a script calls. The standard library is all they need."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any, Final

from holdfast.contract.exit_codes import CliExit, RunnerExit
from holdfast.contract.limits import RESULT_LIMIT_BYTES
from holdfast.contract.script import STEP_KEY, STEPS

_RUN_ID: Final = "HOLDFAST_RUN_ID"
_CHUNK_BYTES = 64 * 1024
_PARENT_LOOK_SECONDS = 0.1
_TAG_BYTES = 100
"""More than what is recorded around output that is no text."""

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

Message = dict[str, Any]


class _Left(Exception):
    """The runner has hung up: the attempt leaves, and with it the script."""


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say and return the exit code."""
    asked = _parser().parse_args(arguments)
    where = os.environ.get(STEPS)
    if where is not None and not re.fullmatch(r".+:\d+:.+", where):
        _complain(f"{STEPS} is {where!r}, not HOST:PORT:SECRET as the runner sets it")
        return CliExit.USAGE
    if where is None and _RUN_ID in os.environ:
        _complain(
            f"this command runs without a runner ({STEPS} is not set), so nothing of it can be recorded. "
            "Let the run be started by holdfast, or use an image with Holdfast in it and an entrypoint"
        )
        return CliExit.REFUSED
    try:
        if asked.call == "sleep":
            return _sleep(asked, where)
        return _step(asked, where)
    except _Left:
        return _until_script_has_left(where)
    except OSError as error:
        _complain(f"the runner cannot be reached: {error}")
        return RunnerExit.DISRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast", description="For scripts that are the command of a run.")
    calls = parser.add_subparsers(dest="call", required=True)
    step = calls.add_parser("step", help="run a command whose output is recorded: it is never run again")
    step.add_argument("name", help="part of the step's identity")
    step.add_argument("command", nargs="+", metavar="-- COMMAND", help="program and arguments")
    step.add_argument("--key", help="identity of the step, for calls whose order the script does not fix")
    step.add_argument("--max-attempts", type=int, default=1, help="tries in total (1)")
    step.add_argument("--backoff", type=float, default=1.0, help="bound of the first wait, in seconds (1)")
    sleep = calls.add_parser("sleep", help="wait, without a process if it takes long")
    sleep.add_argument("duration", nargs="?", type=_duration, help="90, 90s, 5m, 2h or 3d")
    sleep.add_argument("--until", type=_time, help="a time with its zone instead: 2030-01-01T08:00:00Z")
    return parser


def _duration(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: 90, 90s, 5m, 2h or 3d")
    return float(match[1]) * _UNITS[match[2]]


def _time(text: str) -> datetime:
    try:
        due = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 2030-01-01T08:00:00Z") from None
    if due.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} needs a time of day and a zone: 2030-01-01T08:00:00Z")
    return due


def _sleep(asked: argparse.Namespace, where: str | None) -> int:
    if (asked.duration is None) == (asked.until is None):
        _complain("sleep: give a duration or --until, one of them")
        return CliExit.USAGE
    if where is None:
        time.sleep(asked.duration if asked.until is None else max(0, (asked.until - datetime.now(UTC)).total_seconds()))
        return CliExit.OK
    until = None if asked.until is None else asked.until.isoformat()
    with _Line(where) as line:
        answer = line.ask({"do": "sleep", "seconds": asked.duration, "until": until})
    return _ended(answer)


def _step(asked: argparse.Namespace, where: str | None) -> int:
    if where is None:
        return _execute(asked.command, os.environ)[0]
    request = {
        "do": "step",
        "name": asked.name,
        "command": asked.command,
        "key": asked.key,
        "max_attempts": asked.max_attempts,
        "backoff_seconds": asked.backoff,
    }
    with _Line(where) as line:
        answer = line.ask(request)
        is_shown = False
        while answer.get("do") == "run":
            code, output = _execute(asked.command, {**os.environ, STEP_KEY: answer["step_key"]})
            is_shown = True
            answer = line.ask({"exit_code": code, "output": _as_text(output)})
    if not is_shown and "output" in answer:
        sys.stdout.buffer.write(_as_bytes(answer["output"]))
        sys.stdout.buffer.flush()
    return _ended(answer)


def _ended(answer: Message) -> int:
    if answer.get("message"):
        _complain(str(answer["message"]))
    return int(answer.get("exit_code", 1))


class _Line:
    """A connection to the runner; raises ``_Left`` when that hangs up."""

    def __init__(self, where: str) -> None:
        host, port, self._secret = where.split(":", 2)
        self._socket = socket.create_connection((host, int(port)))
        self._file = self._socket.makefile("rwb")

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._socket.close()

    def ask(self, message: Message) -> Message:
        """Send a message and return the answer."""
        try:
            self._file.write(json.dumps({**message, "secret": self._secret}).encode() + b"\n")
            self._file.flush()
            line = self._file.readline()
        except ConnectionError:
            line = b""
        if not line.endswith(b"\n"):
            raise _Left
        answer: Message = json.loads(line)
        return answer


def _execute(command: Sequence[str], variables: Mapping[str, str]) -> tuple[int, bytes]:
    """Run the command, show its output and return its exit code and output."""
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(variables))
    except OSError as error:
        _complain(f"the command {command[0]!r} cannot be run: {error.strerror}")
        return 126 if isinstance(error, PermissionError) else 127, b""
    assert process.stdout is not None
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    output = _shown(process.stdout)
    code = process.wait()
    if code == 0 and (len(output) > RESULT_LIMIT_BYTES or _recorded_bytes(output) > RESULT_LIMIT_BYTES):
        _complain(
            f"the output of {command[0]!r} has over {RESULT_LIMIT_BYTES:,} bytes as it is recorded (JSON), the most. "
            "Write it to a file, and print where that is"
        )
        return 1, b""
    return (code, output) if code >= 0 else (128 - code, output)


def _shown(source: IO[bytes]) -> bytes:
    """Pass on what is read, and return the beginning of it: what is over the limit is not kept."""
    kept = bytearray()
    while chunk := os.read(source.fileno(), _CHUNK_BYTES):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        if len(kept) <= RESULT_LIMIT_BYTES:
            kept += chunk
    return bytes(kept)


def _recorded_bytes(output: bytes) -> int:
    text = _as_text(output)
    if isinstance(text, str):
        return len(json.dumps(text, ensure_ascii=False).encode())
    return len(output) * 4 // 3 + _TAG_BYTES


def _as_text(output: bytes) -> str | Message:
    try:
        return output.decode()
    except UnicodeDecodeError:
        return {"hex": output.hex()}


def _as_bytes(output: str | Message) -> bytes:
    return output.encode() if isinstance(output, str) else bytes.fromhex(output["hex"])


def _until_script_has_left(where: str | None) -> int:
    """The script is being ended. It must not go on as if this step had failed, nor stay when nobody ends it."""
    script = os.getppid()
    while os.getppid() == script and where is not None and _is_there(where):
        time.sleep(_PARENT_LOOK_SECONDS)
    return RunnerExit.DISRUPTED


def _is_there(where: str) -> bool:
    host, port, _ = where.split(":", 2)
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True


def _complain(text: str) -> None:
    sys.stderr.write(f"holdfast: {text}\n")
