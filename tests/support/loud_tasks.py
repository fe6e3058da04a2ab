"""Tasks that print."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading

from holdfast import step, task


@step
async def speak(text: str) -> int:
    print(text)
    return len(text)


@task
async def flood(lines: int, pause_every: int = 10_000_000) -> str:
    print("the first line")
    for number in range(lines):
        print(f"line {number}")
        if number % pause_every == pause_every - 1:
            await asyncio.sleep(0)
    return "dry again"


@task
async def odd_text() -> None:
    print("nul \0, surrogate \ud800, squid 🦑, \x1b[31mred")
    print("error \0", file=sys.stderr)
    await speak("in a step")
    print("no end of line", end="")


@task
async def one_long_line(characters: int) -> None:
    for _ in range(characters // 1000):
        print("x" * 1000, end="")
    print()
    print("after it")


@task
async def in_pieces() -> None:
    print("a", "b", sep="\n", end="-")
    sys.stdout.write("c\nd")
    sys.stdout.writelines(["e\n", "f\n"])
    sys.stderr.write("x")
    print("g")
    sys.stderr.write("y\n")
    logging.getLogger("mine").warning("logged")


@task
def as_bytes() -> list[object]:
    sys.stdout.buffer.write(b"bytes\n")
    sys.stdout.buffer.flush()
    subprocess.run([sys.executable, "-c", "print('child')"], stdout=sys.stdout, check=True)
    return [sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.fileno(), sys.stdout.name]


@task
def threads() -> None:
    def work(number: int) -> None:
        for line in range(50):
            print(f"thread {number} line {line}")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@task
async def closed_output() -> str:
    sys.stdout.close()
    return "fine"
