"""Documents and what is in them. Nothing in here knows how a run survives.

A document is a package or module of the standard library, by its name; its text is that of all its docstrings.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

STANDARD_LIBRARY = sysconfig.get_path("stdlib")
TERMS_PER_DOCUMENT = 300
SHORTEST_TERM = 4
#: Not part of the library itself.
LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "__pycache__"})
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """also because been before both cannot does each either every from given have instead into must only other
        should some such than that their them then there these they this used uses using value values what when where
        whether which while will with within without""",
    )
)

_TERM = re.compile(rf"[a-z][a-z_]{{{SHORTEST_TERM - 1},}}")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

# Some files of the library have odd literals, and say so when they are parsed.
warnings.filterwarnings("ignore", category=SyntaxWarning, module="<unknown>")


class UnreadableDocument(Exception):
    """A document is not there, or is not what it should be."""


@dataclass(frozen=True)
class Entry:
    """A term of the index: how often each document has it, and all together."""

    total: int
    documents: dict[str, int]


def packages(library: Path) -> list[str]:
    """The packages of a library, in alphabetical order."""
    return sorted({init.parent.name for init in library.glob("*/__init__.py")} - LEFT_OUT)


def read(library: Path, document: str) -> str:
    """The text of a document.

    Raises:
        UnreadableDocument: says which file, and why.
    """
    module, package = library / f"{document}.py", library / document
    files = [module] if module.is_file() else sorted(package.rglob("*.py"))
    if not files:
        raise UnreadableDocument(f"{document}: neither {module.name} nor a package of that name in {library}")
    return "\n\n".join(text for file in files for text in _docstrings(file))


def split(text: str) -> list[str]:
    """The paragraphs of a text."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def count_terms(paragraphs: Iterable[str]) -> dict[str, int]:
    """The most frequent terms and how often each occurs; equal ones in alphabetical order."""
    words = (word for paragraph in paragraphs for word in _TERM.findall(paragraph.lower()))
    counts = Counter(word for word in words if word not in STOP_WORDS)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TERMS_PER_DOCUMENT])


def invert(terms: Mapping[str, Mapping[str, int]]) -> dict[str, Entry]:
    """The index of documents whose terms these are, in alphabetical order."""
    found: dict[str, dict[str, int]] = {}
    for document, counts in sorted(terms.items()):
        for term, count in counts.items():
            found.setdefault(term, {})[document] = count
    return {term: Entry(sum(documents.values()), documents) for term, documents in sorted(found.items())}


def most_frequent(index: Mapping[str, Entry], limit: int) -> list[str]:
    """The terms that occur most often; equal ones in alphabetical order."""
    return sorted(index, key=lambda term: (-index[term].total, term))[:limit]


def _docstrings(file: Path) -> list[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise UnreadableDocument(f"{file.name} is no Python: {error}") from None
    nodes = (node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED))
    return [text for node in nodes if (text := ast.get_docstring(node))]
