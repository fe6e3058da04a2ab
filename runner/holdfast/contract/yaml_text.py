"""YAML text to documents and back, with the meaning that kubectl gives it.

Imports PyYAML: import this module late.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from holdfast.contract.limits import MANIFEST_DEPTH_LIMIT, MANIFEST_NODES_LIMIT
from holdfast.contract.yaml_document import TAG, Budget, Json, YamlDocument, YamlError, tag_of, to_document
from holdfast.contract.yaml_scalar import plain_scalar

_LINE_SEPARATORS = frozenset("\x85\u2028\u2029")


def read_documents(text: str) -> Iterator[YamlDocument]:
    """Yield the documents of ``text`` that are not empty. Raises ``YamlError`` where reading must stop."""
    budget = Budget(MANIFEST_NODES_LIMIT)
    try:
        for number, node in enumerate(yaml.compose_all(text, Loader=_Loader), start=1):
            if not _is_empty(node):
                yield to_document(number, node, budget)
    except yaml.reader.ReaderError as error:
        raise YamlError(f"is not YAML text: {error.reason}", line=text.count("\n", 0, error.position) + 1) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        sentence = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(f"is not YAML: {sentence}", line=mark.line + 1 if mark else None) from None


def write_documents(values: list[Json]) -> str:
    """Return YAML that ``read_documents`` and kubectl read as the same values."""
    return str(yaml.dump_all(values, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120))


class _KubectlResolver:
    """Gives plain scalars kubectl's meaning in both directions."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            if value == "<<":
                return TAG + "merge"
            return TAG + tag_of(plain_scalar(value))
        default = {yaml.ScalarNode: "str", yaml.SequenceNode: "seq", yaml.MappingNode: "map"}
        return TAG + default[kind]


class _Loader(_KubectlResolver, yaml.SafeLoader):
    """Composes nodes, no deeper than the limit. Its constructors are not used."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth > MANIFEST_DEPTH_LIMIT:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # the stubs leave it out
            raise YamlError(f"is nested more than {MANIFEST_DEPTH_LIMIT} levels deep", line=mark.line + 1)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(_KubectlResolver, yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        # Without quotes that escape them, these would be folded like line ends.
        style = '"' if _LINE_SEPARATORS.intersection(data) else None
        return self.represent_scalar(TAG + "str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == TAG + "null"
