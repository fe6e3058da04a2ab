"""The same index by a plain loop: what the durable one is checked against.

python -m examples.pipeline.plain > plain-index.json
"""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from examples.pipeline import texts
from examples.pipeline.pipeline import DOCUMENTS


def index(library: Path, documents: Iterable[str]) -> dict[str, texts.Entry]:
    """Index one document after the other."""
    return texts.invert(
        {document: texts.count_terms(texts.split(texts.read(library, document))) for document in documents}
    )


if __name__ == "__main__":
    built = index(Path(sysconfig.get_path("stdlib")), DOCUMENTS)
    print(json.dumps({term: asdict(entry) for term, entry in built.items()}, indent=1))
