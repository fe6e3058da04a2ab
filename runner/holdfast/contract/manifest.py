"""Manifests: the YAML that people apply, to a cluster or to a local engine, with the same meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from holdfast.contract.api_group import API_VERSION
from holdfast.contract.limits import MANIFEST_LIMIT_BYTES
from holdfast.contract.manifest_problems import closest, excerpt, field_path, problems_of
from holdfast.contract.resources.task import Task
from holdfast.contract.resources.task_queue import TaskQueue
from holdfast.contract.resources.task_run import TaskRun
from holdfast.contract.resources.task_schedule import TaskSchedule
from holdfast.domain.errors import ManifestError, ManifestProblem, MissingExtraError

if TYPE_CHECKING:
    from holdfast.contract.yaml_document import YamlDocument, YamlError

Resource = Task | TaskRun | TaskQueue | TaskSchedule

KINDS: Final[Mapping[str, type[Resource]]] = MappingProxyType(
    {kind.__name__: kind for kind in (Task, TaskRun, TaskQueue, TaskSchedule)}
)


def load_manifests(text: str, source: str = "run.yaml", namespace: str = "default") -> list[Resource]:
    """Return the resources in ``text``, one or more YAML documents (JSON is YAML).

    ``source`` is the name of the file for the errors; ``namespace`` is that of resources that name none. Fields
    have the types and limits, and unset ones the defaults, that the API server gives them; but a field it does not
    know is an error here.

    Raises:
        ManifestError: the text is not YAML, or a document is not a valid resource; lists every problem.
        MissingExtraError: PyYAML is not installed.
    """
    return _Manifest(source, namespace).load(text)


def dump_manifests(resources: Iterable[Resource]) -> str:
    """Return YAML from which ``load_manifests`` and kubectl read the same resources.

    Raises ``MissingExtraError`` if PyYAML is not installed.
    """
    _require_yaml()
    from holdfast.contract.yaml_text import write_documents

    return write_documents([resource.to_manifest() for resource in resources])


def _require_yaml() -> None:
    try:
        import yaml  # noqa: F401 - only to see whether it is there
    except ImportError:
        raise MissingExtraError(what="Reading manifests", package="pyyaml", extra="dev") from None


def _place(problem: ManifestProblem) -> tuple[int, int]:
    return (problem.document or 0, problem.line or 0)


class _Manifest:
    """One file on its way in: collects problems instead of stopping at the first."""

    def __init__(self, source: str, namespace: str) -> None:
        self._source = source
        self._namespace = namespace
        self._problems: list[ManifestProblem] = []
        self._seen: dict[str, int] = {}

    def load(self, text: str) -> list[Resource]:
        _require_yaml()
        resources = [resource for document in self._documents(text) if (resource := self._resource(document))]
        if not resources and not self._problems:
            self._complain(None, "has no resources: every document is empty")
        if self._problems:
            raise ManifestError(sorted(self._problems, key=_place))
        return resources

    def _documents(self, text: str) -> Iterator[YamlDocument]:
        from holdfast.contract.yaml_document import YamlError
        from holdfast.contract.yaml_text import read_documents

        size_bytes = len(text.encode("utf-8", "surrogatepass"))
        if size_bytes > MANIFEST_LIMIT_BYTES:
            self._complain(None, f"is {size_bytes} bytes, above the limit of {MANIFEST_LIMIT_BYTES}: split it")
            return
        try:
            yield from read_documents(text)
        except YamlError as error:
            self._complain_of_text(error, None)

    def _resource(self, document: YamlDocument) -> Resource | None:
        for problem in document.problems:
            self._complain_of_text(problem, document)
        model = self._model(document)
        if model is None:
            return None
        try:
            resource = model.model_validate(document.value, by_alias=True, by_name=False)
        except ValidationError as error:
            self._problems += problems_of(error, model, document, self._source)
            return None
        resource = self._placed(resource)
        self._check_duplicate(resource, document)
        return resource

    def _placed(self, resource: Resource) -> Resource:
        if "namespace" in resource.metadata.model_fields_set:
            return resource
        metadata = resource.metadata.model_copy(update={"namespace": self._namespace})
        return resource.model_copy(update={"metadata": metadata})

    def _model(self, document: YamlDocument) -> type[Resource] | None:
        value = document.value
        if not isinstance(value, dict):
            self._complain(document, "must be a mapping with apiVersion, kind, metadata and spec", value=value)
            return None
        kind = value.get("kind")
        if value.get("apiVersion") != API_VERSION:
            message = f"must be {API_VERSION}" if "apiVersion" in value else f"is required: {API_VERSION}"
            self._complain(document, message, path=("apiVersion",), value=value.get("apiVersion"))
        if not isinstance(kind, str) or kind not in KINDS:
            message = f"must be one of {', '.join(KINDS)}"
            suggestion = closest(kind, KINDS)
            self._complain(document, message, path=("kind",), value=kind, suggestion=suggestion)
            return None
        return KINDS[kind] if value.get("apiVersion") == API_VERSION else None

    def _check_duplicate(self, resource: Resource, document: YamlDocument) -> None:
        first = self._seen.setdefault(resource.address, document.number)
        if first != document.number:
            message = f"is given twice, first in document {first}: {resource.address}"
            self._complain(document, message, path=("metadata", "name"))

    def _complain_of_text(self, error: YamlError, document: YamlDocument | None) -> None:
        self._problems.append(
            ManifestProblem(
                source=self._source,
                line=error.line,
                document=document.number if document else None,
                field=field_path(error.path),
                message=error.message,
            )
        )

    def _complain(
        self,
        document: YamlDocument | None,
        message: str,
        *,
        path: tuple[str | int, ...] = (),
        value: object = None,
        suggestion: str | None = None,
    ) -> None:
        self._problems.append(
            ManifestProblem(
                source=self._source,
                line=document.line_of(path) if document else None,
                document=document.number if document else None,
                field=field_path(path),
                message=message,
                value=None if value is None else excerpt(value),
                suggestion=suggestion,
            )
        )
