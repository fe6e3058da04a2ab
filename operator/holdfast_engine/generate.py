"""Write the files that are derived from code: `make generate`.

`make verify` runs this too, and fails when a file changes by it. To add one, name its path and the function
that returns its text in ``generated_files``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from holdfast_engine.generators.contract_pages import exit_codes_page, reasons_page, resources_page
from holdfast_engine.generators.crds import crd_files
from holdfast_engine.generators.transitions import transitions_markdown, transitions_sql

ROOT = Path(__file__).resolve().parents[2]


def generated_files() -> Mapping[str, Callable[[], str]]:
    """Return the path of each generated file, relative to the repository, with the function of its text."""
    return {
        **crd_files(),
        "docs/reference/resources.md": resources_page,
        "docs/reference/reasons.md": reasons_page,
        "docs/reference/exit-codes.md": exit_codes_page,
        "docs/reference/states.md": transitions_markdown,
        "operator/holdfast_engine/sql/functions/040_transitions.sql": transitions_sql,
    }


def write(root: Path, files: Mapping[str, Callable[[], str]]) -> list[str]:
    """Write every file whose text differs, and return their paths."""
    changed = []
    for name, text_of in files.items():
        path, text = root / name, text_of()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def main() -> int:
    files = generated_files()
    changed = write(ROOT, files)
    for name in changed:
        print(f"wrote {name}")
    print(f"{len(files)} generated files, {len(changed)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
