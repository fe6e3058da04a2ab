"""Entry of the command `holdfast`."""

from __future__ import annotations

import io
import sys

from holdfast.contract.exit_codes import CliExit
from holdfast.domain.errors import MissingExtraError


def main() -> None:
    """Run the command line and exit with a `CliExit`."""
    if sys.argv[1:2] in (["step"], ["sleep"]):
        from holdfast.cli.script import run  # for scripts, in any pod: needs the standard library only

        sys.exit(run(sys.argv[1:]))
    try:
        import rich  # noqa: F401 - only to see whether it is there
        import typer  # noqa: F401 - as above
    except ImportError as error:
        package = error.name or "typer"
        sys.stderr.write(f"{MissingExtraError(what='The command line', package=package, extra='dev')}\n")
        sys.exit(CliExit.MISSING_EXTRA)
    from holdfast.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # recorded text may hold what this terminal cannot show
    app(prog_name="holdfast")


if __name__ == "__main__":
    main()
