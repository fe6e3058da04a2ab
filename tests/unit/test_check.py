"""`holdfast check`: what a task does between steps that the next attempt would see differently."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest

from holdfast.check.hazards import Hazard
from holdfast.check.module_check import ModuleCheck, check_source
from holdfast.check.sources import source_files
from holdfast.domain.errors import TaskImportError

ROOT = Path(__file__).parents[2]


def check(source: str) -> ModuleCheck:
    return check_source(dedent(source), Path("shop.py"))


def calls(source: str) -> list[str]:
    return [finding.call for finding in check(source).findings]


def in_task(imports: str, body: str) -> list[str]:
    """The calls found in the body of a task."""
    return calls(f"from holdfast import task\n{imports}\n\n@task\nasync def run(page: int):\n{indent(body, '    ')}\n")


FOUND = [
    ("import time", "time.time()", "time.time"),
    ("import time as clock", "clock.monotonic_ns()", "time.monotonic_ns"),
    ("from time import time as tick", "tick()", "time.time"),
    ("import time", "time.strftime('%H')", "time.strftime"),
    ("import datetime", "datetime.datetime.now()", "datetime.datetime.now"),
    ("import datetime as dt", "dt.date.today()", "datetime.date.today"),
    ("from datetime import UTC, datetime", "datetime.now(UTC).isoformat()", "datetime.datetime.now"),
    ("import random", "random.random()", "random.random"),
    ("from random import choice", "choice([1, 2])", "random.choice"),
    ("import random", "random.Random().random()", "random.Random"),
    ("import numpy as np", "np.random.rand(3)", "numpy.random.rand"),
    ("import uuid", "str(uuid.uuid4())", "uuid.uuid4"),
    ("from uuid import uuid1", "uuid1()", "uuid.uuid1"),
    ("import secrets", "secrets.token_hex(8)", "secrets.token_hex"),
    ("import os", "os.urandom(8)", "os.urandom"),
    ("", "open('x')", "builtins.open"),
    ("import io", "io.open('x')", "io.open"),
    ("import requests", "requests.get('http://x')", "requests.get"),
    ("import httpx", "httpx.post('http://x')", "httpx.post"),
    ("from urllib.request import urlopen", "urlopen('http://x')", "urllib.request.urlopen"),
    ("import urllib.request", "urllib.request.urlopen('http://x')", "urllib.request.urlopen"),
    ("import socket", "socket.create_connection(('x', 1))", "socket.create_connection"),
    ("import subprocess", "subprocess.run(['ls'])", "subprocess.run"),
    ("import subprocess", "subprocess.Popen(['ls'])", "subprocess.Popen"),
    ("import os", "os.environ['HOME']", "os.environ"),
    ("from os import environ", "environ.get('HOME')", "os.environ"),
    ("import os", "os.getenv('HOME')", "os.getenv"),
    ("import os", "os.path.exists('x')", "os.path.exists"),
    ("from pathlib import Path", "Path('x').exists()", "pathlib.Path.exists"),
    ("from pathlib import Path", "(Path('x') / 'y').open()", "pathlib.Path.open"),
    ("from pathlib import Path\nROOT = Path('x')", "ROOT.iterdir()", "pathlib.Path.iterdir"),
    ("", "page.parent.read_text()", "read_text"),
    ("import httpx", "client = httpx.AsyncClient()\nawait client.get('http://x')", "httpx.AsyncClient.get"),
    ("import httpx", "async with httpx.AsyncClient() as c:\n    await c.get('http://x')", "httpx.AsyncClient.get"),
    ("import asyncio, requests", "await asyncio.to_thread(requests.get, 'http://x')", "requests.get"),
    ("import time", "x = lambda: time.time()", "time.time"),
    ("import time", "def inner():\n    return time.time()\ninner()", "time.time"),
    ("import time", "[time.time() for _ in range(3)]", "time.time"),
    ("", "import time\ntime.time()", "time.time"),
    ("import time", "try:\n    pass\nfinally:\n    time.time()", "time.time"),
]


@pytest.mark.parametrize(("imports", "body", "call"), FOUND, ids=[body for _, body, _ in FOUND])
def test_it_is_found(imports: str, body: str, call: str) -> None:
    assert in_task(imports, body) == [call]


ALLOWED = [
    ("import time", "time.gmtime(0)"),
    ("import time", "await something(time)"),
    ("import random", "random.Random(7)"),
    ("import uuid", "uuid.UUID(int=3), uuid.uuid5(uuid.NAMESPACE_DNS, 'x')"),
    ("from holdfast import now, random, uuid4", "now(), random(), uuid4()"),
    ("import holdfast", "holdfast.now(), holdfast.random()"),
    ("import httpx", "async with httpx.AsyncClient() as client:\n    await fetch(client)"),
    ("import requests", "try:\n    pass\nexcept requests.RequestException:\n    pass"),
    ("import random", "x: random.Random = page"),
    ("import socket", "isinstance(page, socket.socket) or socket.AF_INET"),
    ("from datetime import datetime", "datetime(2030, 1, 1), datetime.fromisoformat('2030-01-01')"),
    ("from pathlib import Path", "Path('x').name, Path('x') / 'y', Path('x').with_suffix('.y')"),
    ("import random", "random = page\nrandom.choice([1])"),
    ("", "open = page\nopen('x')"),
    ("from .time import time", "time()"),
    ("import os", "os.path.join('a', 'b'), os.sep"),
    ("", "print('hello')"),
]


@pytest.mark.parametrize(("imports", "body"), ALLOWED, ids=[body for _, body in ALLOWED])
def test_it_is_no_false_alarm(imports: str, body: str) -> None:
    assert in_task(imports, body) == []


def test_steps_and_what_only_they_use_are_left_alone() -> None:
    source = """
        import time
        import holdfast as hf
        from holdfast import step

        def stamp():
            return time.time()

        @step
        async def fetch(): return time.time(), stamp()

        @hf.step(name="load")
        def load(): return open("x")

        @hf.task(queue="x")
        async def run():
            @step
            async def inner(): return time.time()
            return await fetch(), load(), await inner()
        """
    assert check(source).tasks == ("run",)
    assert calls(source) == []


def test_plain_functions_of_the_module_are_followed_once() -> None:
    source = """
        from holdfast import step, task
        import time

        def stamp():
            return time.time()

        def deeper():
            return stamp(), deeper()

        def unused():
            return time.time()

        @step
        def fetch():
            return time.monotonic()

        @task
        def one():
            return list(map(deeper, [1])), fetch()

        @task
        def two():
            return stamp(), fetch.function()

        @task
        def three(stamp, deeper):
            return stamp(), deeper()
        """
    found = check(source).findings
    assert [(each.line, each.call, each.function, each.task) for each in found] == [
        (6, "time.time", "stamp", "one"),
        (16, "time.monotonic", "fetch", "two"),
    ]


def test_line_and_column_are_those_of_an_editor() -> None:
    (finding,) = check('import time\nfrom holdfast import task\n@task\ndef run(): return "äöü", time.time()\n').findings
    assert (finding.line, finding.column) == (4, 26)
    assert finding.hazard is Hazard.CLOCK
    assert "holdfast.now()" in finding.hazard.instead


def test_a_line_can_be_left_alone() -> None:
    left_alone = "time.time()  # holdfast: ignore\ntime.time_ns(\n)  #holdfast:ignore, only for the log\n"
    assert in_task("import time", f"{left_alone}time.monotonic()  # ignore") == ["time.monotonic"]
    assert in_task("import time", "'# holdfast: ignore', time.time()") == ["time.time"]


@pytest.mark.parametrize("source", ["def (", "x = 1\n  y = 2", "\0", '"""', "é = (\n"])
def test_what_is_not_python_is_refused(source: str) -> None:
    with pytest.raises(TaskImportError, match=r"shop\.py"):
        check_source(source, Path("shop.py"))


def test_modules_are_found_without_importing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "checked_shop" / "orders"
    package.mkdir(parents=True)
    (tmp_path / "checked_shop" / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "tasks.py").write_text("raise SystemExit('imported')")
    (package / ".hidden.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert source_files("checked_shop.orders.tasks") == [package / "tasks.py"]
    assert source_files("checked_shop/orders/tasks.py") == [Path("checked_shop/orders/tasks.py")]
    assert source_files("checked_shop.orders") == [package / "tasks.py"]
    assert source_files("checked_shop") == [tmp_path / "checked_shop" / "__init__.py", package / "tasks.py"]
    assert "checked_shop" not in sys.modules


@pytest.mark.parametrize(
    "module", ["no_such_module", "json.nothing", "", ".", "a..b", "nowhere/x.py", "zlib", "json.decoder.x"]
)
def test_a_module_that_is_not_there_is_told(module: str) -> None:
    with pytest.raises(TaskImportError):
        source_files(module)


@pytest.mark.parametrize("file", sorted((ROOT / "examples").rglob("*.py")), ids=lambda file: file.stem)
def test_the_examples_have_no_findings(file: Path) -> None:
    assert check_source(file.read_text(), file).findings == ()


def test_the_examples_have_tasks() -> None:
    assert sum(len(check_source(file.read_text(), file).tasks) for file in (ROOT / "examples").rglob("*.py")) >= 2
