"""The same index by a plain loop: what the durable one is checked against.

python -m examples.pipeline.plain > plain-index.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from examples.pipeline import texts


def index(library: Path, documents: Iterable[str]) -> dict[str, texts.Entry]:
    """Index one document after the other; those that cannot be read are told and left out."""
    terms = {}
    for document in documents:
        try:
            terms[document] = texts.count_terms(texts.split(texts.read(library, document)))
        except texts.UnreadableDocument as error:
            print(error, file=sys.stderr)
    return texts.invert(terms)


if __name__ == "__main__":
    library = Path(texts.STANDARD_LIBRARY)
    built = index(library, texts.packages(library))
    print(json.dumps({term: asdict(entry) for term, entry in built.items()}, indent=1), end="")
