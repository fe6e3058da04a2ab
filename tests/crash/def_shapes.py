"""The shapes of programs that the crash corpus covers, ``def`` tasks. Each is a task without input."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from holdfast import Retry, checkpoint, now, random, sleep, task
from tests.crash.steps import Broken, broken_deed, broken_deed_until, deed, flaky_deed, large_deed, outer_deed


@task
def def_sequence() -> list[str]:
    return [deed("a"), deed("b"), deed("c")]


@task
def def_loop() -> list[str]:
    return [deed(f"round {number}") for number in range(5)]


@task
def def_nested() -> list[Any]:
    return [outer_deed("x"), deed("y"), outer_deed("z")]


@task
def def_caught() -> list[str]:
    found = [deed("a")]
    try:
        found.append(broken_deed("b"))
    except Broken as error:
        found.append(deed(f"instead of {error}"))
    finally:
        found.append(deed("finally"))
    return [*found, deed("c")]


@task
def def_retried() -> list[str]:
    return [flaky_deed("a", 2), deed("b"), flaky_deed("c", 1)]


@task(retry=Retry(max_attempts=5, backoff=1.0))
def def_next_attempt() -> list[str]:
    done = [deed("a")]
    try:
        done.append(broken_deed_until("b", 1))
    except Broken:
        deed("undo a")
        raise
    return [*done, deed("c")]


@task
def def_values() -> list[bool]:
    moment, draw = now(), random()
    found = deed(f"{moment} {draw}")
    return [found == f"done {moment} {draw}", deed(f"{checkpoint('kept', random())} {now()}") != ""]


@task
def def_large() -> list[int]:
    return [len(large_deed("a", 70_000)), len(deed("b")), len(large_deed("ä", 70_000))]


@task
def def_sleeping() -> list[str]:
    first = deed("a")
    sleep(hours=5)
    return [first, deed("b")]


@task
def threads() -> list[str]:
    found = [deed("before")]

    def two(label: str) -> str:
        return f"{deed(f'{label}1')} {deed(f'{label}2')}"

    found += in_threads([lambda label=label: two(label) for label in "abc"])
    return [*found, deed("after"), *in_threads([lambda: two("late")])]


@task
def thread_pool() -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(outer_deed, "abcd"))
        late = pool.submit(deed, "late")
        return [deed("before"), *found, late.result(), deed("after")]


@task
def pool_in_thread() -> list[str]:
    def fan_out() -> str:
        with ThreadPoolExecutor(3) as pool:
            return " ".join(pool.map(deed, "abc"))

    return [*in_threads([fan_out, lambda: deed("d")]), deed("e")]


def in_threads(functions: list[Callable[[], str]]) -> list[str]:
    found = [""] * len(functions)

    def run(number: int) -> None:
        found[number] = functions[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(functions))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found
