"""What gives another answer in the next attempt, by the qualified name of the call."""

from __future__ import annotations

from enum import StrEnum


class Hazard(StrEnum):
    """Why a call does not belong between steps."""

    CLOCK = "a clock"
    RANDOMNESS = "random"
    IO = "I/O"
    ENVIRONMENT = "of this one process"

    @property
    def instead(self) -> str:
        """What to do instead."""
        return _INSTEAD[self]


_INSTEAD = {
    Hazard.CLOCK: "use holdfast.now(), or a step",
    Hazard.RANDOMNESS: "use holdfast.random() or holdfast.uuid4(), or a step",
    Hazard.IO: "do it in a step",
    Hazard.ENVIRONMENT: "read it in a step, or record it with holdfast.checkpoint(name, value)",
}

_ANY = 1_000

_CALLS: dict[Hazard, dict[str, int]] = {
    Hazard.CLOCK: {
        **dict.fromkeys(
            [
                *(f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter") for unit in ("", "_ns")),
                "time.process_time",
                "datetime.datetime.now",
                "datetime.datetime.utcnow",
                "datetime.datetime.today",
                "datetime.date.today",
            ],
            _ANY,
        ),
        "time.localtime": 0,
        "time.gmtime": 0,
        "time.ctime": 0,
        "time.asctime": 0,
        "time.strftime": 1,
    },
    Hazard.RANDOMNESS: {
        **dict.fromkeys(["uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "os.urandom", "os.getrandom"], _ANY),
        "random.SystemRandom": _ANY,
        "random.Random": 0,
        "numpy.random.default_rng": 0,
        "numpy.random.RandomState": 0,
    },
    Hazard.IO: dict.fromkeys(
        [
            "builtins.open",
            "builtins.input",
            "io.open",
            "asyncio.create_subprocess_exec",
            "asyncio.create_subprocess_shell",
            "asyncio.open_connection",
            "asyncio.open_unix_connection",
            "asyncio.start_server",
            "glob.glob",
            "glob.iglob",
            "subprocess.Popen",
            "tempfile.TemporaryDirectory",
            "tempfile.NamedTemporaryFile",
            "tempfile.TemporaryFile",
            "urllib.request.urlopen",
            "urllib.request.urlretrieve",
            *(
                f"os.{name}"
                for name in (
                    "open", "listdir", "scandir", "walk", "stat", "remove", "unlink", "rename", "replace", "mkdir",
                    "makedirs", "rmdir", "removedirs", "system", "popen", "kill", "link", "symlink", "truncate",
                )
            ),
            *(f"os.path.{name}" for name in ("exists", "getmtime", "getsize", "isdir", "isfile")),
        ],
        _ANY,
    ),
    Hazard.ENVIRONMENT: dict.fromkeys(["os.getenv", "os.getcwd", "os.getpid", "platform.node"], _ANY),
}  # fmt: skip
"""With how many positional arguments at most a call is meant: ``random.Random(7)`` is the same in every attempt."""

_MODULES = {
    "random": Hazard.RANDOMNESS,
    "secrets": Hazard.RANDOMNESS,
    "numpy.random": Hazard.RANDOMNESS,
    **dict.fromkeys(
        [
            "aiofiles", "aiohttp", "asyncpg", "boto3", "ftplib", "http.client", "httpx", "imaplib", "poplib", "psycopg",
            "psycopg2", "pymysql", "redis", "requests", "shutil", "smtplib", "socket", "sqlite3", "subprocess",
            "tempfile", "urllib3",
        ],
        Hazard.IO,
    ),
}  # fmt: skip
"""Modules all of whose functions are meant. A class is not: to make a client asks nobody, to call it does."""

_PATH_METHODS = frozenset(
    {
        "chmod", "exists", "glob", "is_dir", "is_file", "iterdir", "mkdir", "open", "read_bytes", "read_text", "rename",
        "replace", "rglob", "rmdir", "stat", "touch", "unlink", "write_bytes", "write_text",
    }
)  # fmt: skip

_PURE_FUNCTIONS = frozenset({"numpy.random.seed", "random.seed", "socket.inet_aton", "socket.ntohs", "socket.htons"})

FILE_METHODS = frozenset({"read_bytes", "read_text", "write_bytes", "write_text"})
"""Names that only a path has: they are known whoever it is."""


def hazard_of(name: str, arguments: int = 0) -> Hazard | None:
    """Return why a call of this qualified name, with so many positional arguments, does not belong between steps."""
    for hazard, calls in _CALLS.items():
        if name in calls:
            return hazard if arguments <= calls[name] else None
    module, _, function = name.rpartition(".")
    is_function = function[:1].islower()
    return _MODULES.get(module) if is_function and name not in _PURE_FUNCTIONS else None


def hazard_of_method(class_name: str, method: str) -> Hazard | None:
    """Return the same for a method of an instance of a class, by the qualified name of that."""
    if class_name == "pathlib.Path":
        return Hazard.IO if method in _PATH_METHODS else None
    return _MODULES.get(class_name.rpartition(".")[0]) if class_name != "random.Random" else None


def is_known_class(name: str) -> bool:
    """Tell whether calls of methods of this class may be meant."""
    module, _, kind = name.rpartition(".")
    return name == "pathlib.Path" or (module in _MODULES and kind[:1].isupper())
