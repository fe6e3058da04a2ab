"""Steps of a script: the command that a run consists of asks its runner for them, in whatever language."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from holdfast.contract.script import LINE_LIMIT_BYTES, STEPS
from holdfast.domain.errors import CommandFailedError, ControlFlow, DefinitionError, InputError, ScriptStepError
from holdfast.domain.retry import Retry
from holdfast.domain.scopes import Branch
from holdfast.runtime.command import run_command
from holdfast.sdk.codec import codec_for
from holdfast.sdk.journal import Strand, require_strand
from holdfast.sdk.step import Step, check_step_name

if TYPE_CHECKING:
    from holdfast.runtime.session import Session

Message = dict[str, Any]

_OUTPUT = codec_for(str | bytes, "the output of a step's command")


async def run_script(
    session: Session, branch: Branch, command: Sequence[str], variables: Mapping[str, str], grace_seconds: float
) -> None:
    """Run a command to its end, and record the steps that it calls in ``branch``; raises as ``run_command`` does."""
    steps = ScriptSteps(session, branch)
    async with steps.listening() as where:
        try:
            await run_command(command, {**variables, **where}, grace_seconds)
        except CommandFailedError as error:
            raise error from steps.failure()  # what failed is executed again by the next attempt


class ScriptSteps:
    """Records what a script calls, in one branch of the run. Its calls follow one another, or have keys."""

    def __init__(self, session: Session, branch: Branch) -> None:
        self._session = session
        self._branch = branch
        self._secret = secrets.token_urlsafe(24)
        self._calls: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []

    def failure(self) -> Exception | None:
        """What the script was told of failed steps: all of it is behind the failure of the script."""
        if len(self._failures) > 1:
            return ExceptionGroup("steps of the script failed", self._failures)
        return self._failures[0] if self._failures else None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[dict[str, str]]:
        """Listen on loopback; gives the variables by which the script finds us."""
        start = asyncio.start_server(self._begin, "127.0.0.1", 0, limit=LINE_LIMIT_BYTES)
        # in a context of its own: what serves a call is no branch of the run
        server = await asyncio.create_task(start, context=Context())
        try:
            host, port = server.sockets[0].getsockname()
            yield {STEPS: f"{host}:{port}:{self._secret}"}
        finally:
            server.close()
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        try:
            with suppress(ControlFlow, ConnectionError):  # the attempt leaves, or the script's side has
                await _write(writer, await self._answer(reader, writer))
        finally:
            self._calls.discard(call)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Message:
        try:
            request = await _read(reader)
            if not hmac.compare_digest(str(request.get("secret")), self._secret):
                return _end(1, f"this is not the secret of {STEPS}")
            strand = Strand(self._session, self._branch, asyncio.current_task())
            if request.get("key") is None:
                self._failures.clear()  # the script went on from them: it has handled them
            if request.get("do") == "step":
                output = await self._step(request, strand, reader, writer)
                return {**_end(0), "output": {"hex": output.hex()} if isinstance(output, bytes) else output}
            if request.get("do") == "sleep":
                await self._sleep(request, strand)
                return _end(0)
            return _end(1, f"the runner knows no call {request.get('do')!r}")
        except ScriptStepError as error:
            self._failures.append(error)
            return _end(error.exit_code, str(error))
        except ControlFlow:
            raise
        except Exception as error:
            self._failures.append(error)
            return _end(1, f"{type(error).__name__}: {error}")

    async def _step(
        self, request: Message, strand: Strand, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> str | bytes:
        name, command, key = _text(request, "name"), _command(request), request.get("key")
        check_step_name(name)

        async def run(*command: str) -> str | bytes:
            key = f"{self._session.info.run_id}:{require_strand('a step of a script').branch.path}"
            await _write(writer, {"do": "run", "step_key": key})
            ended = await _read_end(reader, name)
            code = ended.get("exit_code")
            if code != 0:
                raise _failure(f"step {name}: the command {command[0]!r} ended with exit code {code}", code)
            return _output(ended)

        step: Step[..., Any] = Step(
            run, name=name, retry=_retry(request), timeout_seconds=None, key=None, codec=_OUTPUT
        )
        if key is not None:
            step = step.with_key(_text(request, "key"))
        output: str | bytes = await self._session.run_step(step, strand, command, {})
        return output

    async def _sleep(self, request: Message, strand: Strand) -> None:
        until = request.get("until")
        if until is None:
            duration = timedelta(seconds=_number(request, "seconds"))
            await self._session.sleep(strand, "sleep", lambda: self._session.database_now() + duration)
            return
        due = datetime.fromisoformat(_text(request, "until"))
        if due.tzinfo is None:
            raise InputError(f"the time {until!r} needs a zone, as in 2030-01-01T08:00:00Z")
        await self._session.sleep(strand, "sleep_until", lambda: due)


async def _read(reader: asyncio.StreamReader) -> Message:
    try:
        line = await reader.readline()
    except ValueError:
        raise InputError(f"a line of over {LINE_LIMIT_BYTES:,} bytes") from None
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the script's side has gone")
    message = json.loads(line)
    if not isinstance(message, dict):
        raise InputError("a line that is no JSON object")
    return message


async def _write(writer: asyncio.StreamWriter, message: Message) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()


def _end(exit_code: int, message: str = "") -> Message:
    return {"do": "exit", "exit_code": exit_code, "message": message}


async def _read_end(reader: asyncio.StreamReader, name: str) -> Message:
    try:
        return await _read(reader)
    except ConnectionError:
        raise _failure(f"step {name}: it was killed before it told how its command ended", 137) from None


def _failure(message: str, exit_code: object) -> ScriptStepError:
    error = ScriptStepError(message)
    error.exit_code = exit_code if isinstance(exit_code, int) and 0 < exit_code < 256 else 1
    return error


def _output(ended: Message) -> str | bytes:
    output = ended.get("output", "")
    if isinstance(output, dict):
        return bytes.fromhex(_text(output, "hex"))
    return _text({"output": output}, "output")


def _text(request: Message, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise InputError(f"{name} is {value!r}, not a text")
    return value


def _number(request: Message, name: str) -> float:
    value = request.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise InputError(f"{name} is {value!r}, not a number from 0")
    return value


def _command(request: Message) -> tuple[str, ...]:
    command = request.get("command")
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        raise InputError(f"command is {command!r}, not a list of texts")
    return tuple(command)


def _retry(request: Message) -> Retry:
    try:
        return Retry(max_attempts=request.get("max_attempts", 1), backoff=request.get("backoff_seconds", 1.0))
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"retries: {error}") from None
