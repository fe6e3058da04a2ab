"""An index of documents: one run per document, in stages, and one that puts them together.

holdfast run examples.pipeline.pipeline:build_index
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from examples.pipeline import texts
from holdfast import NonRetryableError, Retry, batch_trigger_and_wait, step, task

MOST_FREQUENT_SHOWN = 10


@dataclass(frozen=True)
class Index:
    """What was built. ``failed`` says of each document that is missing why, and names its run."""

    terms: int
    most_frequent: list[str]
    failed: dict[str, str]


@step
async def list_documents(library: str) -> list[str]:
    """Recorded, so that a later attempt asks for the same documents."""
    return texts.packages(Path(library))


@step
async def read(library: str, document: str) -> str:
    """The text of a document. One that cannot be read now never will be: nobody tries again."""
    trace("read", document)
    try:
        return await asyncio.to_thread(texts.read, Path(library), document)
    except texts.UnreadableDocument as error:
        raise NonRetryableError(str(error)) from error


@step
async def split(document: str, text: str) -> list[str]:
    """Its paragraphs."""
    trace("split", document)
    return await asyncio.to_thread(texts.split, text)


@step
async def count_terms(document: str, paragraphs: list[str]) -> dict[str, int]:
    """Its most frequent terms."""
    trace("count_terms", document)
    return await asyncio.to_thread(texts.count_terms, paragraphs)


@step
async def write(file: str, index: dict[str, texts.Entry]) -> None:
    """Write the index as JSON, whole or not at all; a second time writes the same."""
    trace("write", file)
    unfinished = Path(f"{file}.unfinished")
    unfinished.write_text(json.dumps({term: asdict(entry) for term, entry in index.items()}, indent=1))
    unfinished.replace(file)


@task(queue="documents", retry=Retry(max_attempts=3))
async def index_document(library: str, document: str) -> dict[str, int]:
    """The terms of one document, in stages: whoever is killed goes on with the next one."""
    text = await read(library, document)
    paragraphs = await split(document, text)
    return await count_terms(document, paragraphs)


@task(queue="documents", retry=Retry(max_attempts=3))
async def build_index(
    documents: list[str] | None = None,
    library: str = texts.STANDARD_LIBRARY,
    file: str = "index.json",
) -> Index:
    """Index documents side by side, by default all packages of the library.

    One that fails is missing from the index, and the answer says why.
    """
    if documents is None:
        documents = await list_documents(library)
    inputs = [{"library": library, "document": document} for document in documents]
    ends = await batch_trigger_and_wait(index_document, inputs, tags=["index"])
    by_document = dict(zip(documents, ends, strict=True))
    index = texts.invert({document: end.result() for document, end in by_document.items() if end.error is None})
    await write(file, index)
    return Index(
        terms=len(index),
        most_frequent=texts.most_frequent(index, MOST_FREQUENT_SHOWN),
        failed={document: str(end.error) for document, end in by_document.items() if end.error is not None},
    )


def trace(stage: str, document: str) -> None:
    """Tell the file named by PIPELINE_TRACE, if any, that a stage was executed, and by which process."""
    file = os.environ.get("PIPELINE_TRACE")
    if file:
        with Path(file).open("a") as lines:
            lines.write(f"{os.getpid()} {stage} {document}\n")
