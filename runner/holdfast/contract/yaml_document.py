"""A YAML document as JSON values, each with its line.

Aliases are expanded within bounds, merge keys applied, duplicate keys refused. Imports PyYAML: import this module late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from holdfast.contract.limits import MANIFEST_DEPTH_LIMIT, MANIFEST_NODES_LIMIT
from holdfast.contract.yaml_scalar import Scalar, plain_scalar

Path = tuple[str | int, ...]
Json = Any

TAG = "tag:yaml.org,2002:"
"""What the tags of YAML's own types begin with."""

_INT64 = range(-(2**63), 2**63)
_BOOLEAN_WORDS = frozenset({"true", "false"})


class YamlError(Exception):
    """Text that cannot be read. ``line`` counts from 1; ``path`` is as far as it was understood."""

    def __init__(self, message: str, *, line: int | None, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.path = path


@dataclass(frozen=True)
class YamlDocument:
    """One document of a file, as JSON values."""

    #: Number in the file, from 1; empty documents count.
    number: int
    value: Json
    #: Line of each value, from 1. A field's line is that of its name.
    lines: dict[Path, int]
    #: What is wrong with the text, though it could be read.
    problems: list[YamlError]

    def line_of(self, path: Path) -> int:
        """Return the line of a value, or of the nearest value around it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines[path]


def to_document(number: int, node: yaml.Node, budget: Budget) -> YamlDocument:
    """Return the JSON values of a composed document. Raises ``YamlError`` where reading must stop."""
    return _Conversion(budget).document(number, node)


def tag_of(value: Scalar) -> str:
    """Return the short tag of a scalar's value."""
    if value is None:
        return "null"
    return type(value).__name__


@dataclass
class Budget:
    """How many more values may come out of the file."""

    values: int

    def spend(self, node: yaml.Node) -> None:
        self.values -= 1
        if self.values < 0:
            message = f"has more than {MANIFEST_NODES_LIMIT} values once its aliases are expanded"
            raise YamlError(message, line=node.start_mark.line + 1)


class _Entry(NamedTuple):
    """One field of a mapping."""

    value: yaml.Node
    line: int


@dataclass
class _Conversion:
    """Turns the nodes of one document into JSON values."""

    budget: Budget
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[YamlError] = field(default_factory=list)

    def document(self, number: int, node: yaml.Node) -> YamlDocument:
        self.lines[()] = node.start_mark.line + 1
        value = self._value(node, ())
        return YamlDocument(number=number, value=value, lines=self.lines, problems=self.problems)

    def _value(self, node: yaml.Node, path: Path) -> Json:
        self.budget.spend(node)
        if len(path) > MANIFEST_DEPTH_LIMIT:
            message = f"is nested more than {MANIFEST_DEPTH_LIMIT} levels deep (does an alias contain itself?)"
            raise YamlError(message, line=node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, path)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Json:
        if node.tag != TAG + "map":
            self._complain(node, path, f"has the tag {_short(node.tag)}, which JSON does not have")
        value = {}
        for name, entry in self._entries(node, path).items():
            self.lines[(*path, name)] = entry.line
            value[name] = self._value(entry.value, (*path, name))
        return value

    def _entries(self, node: yaml.MappingNode, path: Path, merges: int = 0) -> dict[str, _Entry]:
        own: dict[str, _Entry] = {}
        merged: dict[str, _Entry] = {}
        for key, value in node.value:
            if key.tag == TAG + "merge":
                for name, entry in self._merged(value, path, merges + 1).items():
                    merged.setdefault(name, entry)
                continue
            name = self._name(key, path)
            if name in own:
                self._complain(key, (*path, name), f"is given twice, first in line {own[name].line}")
            else:
                own[name] = _Entry(value, key.start_mark.line + 1)
        return merged | own

    def _merged(self, node: yaml.Node, path: Path, merges: int) -> dict[str, _Entry]:
        self.budget.spend(node)
        if merges > MANIFEST_DEPTH_LIMIT:
            message = f"merges (<<) more than {MANIFEST_DEPTH_LIMIT} levels deep (does a mapping merge itself?)"
            raise YamlError(message, line=node.start_mark.line + 1, path=path)
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, _Entry] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self._complain(node, path, "merges (<<) something that is not a mapping")
                continue
            for name, entry in self._entries(source, path, merges).items():
                self.budget.spend(source)
                merged.setdefault(name, entry)
        return merged

    def _name(self, key: yaml.Node, path: Path) -> str:
        if not isinstance(key, yaml.ScalarNode):
            self._complain(key, path, "has a field name that is a list or a mapping")
            return ""
        if key.tag == TAG + "bool" and key.value.lower() not in _BOOLEAN_WORDS:
            word = str(plain_scalar(key.value)).lower()
            self._complain(key, path, f"has the field name {key.value}, which kubectl reads as {word}: quote it")
            return str(key.value)
        name = self._scalar(key, path)
        if name is None:
            self._complain(key, path, "has a field name that is null: quote it")
        return str(name).lower() if isinstance(name, bool) else str(name)

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> Json:
        if node.tag != TAG + "seq":
            self._complain(node, path, f"has the tag {_short(node.tag)}, which JSON does not have")
        items = []
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = item.start_mark.line + 1
            items.append(self._value(item, (*path, index)))
        return items

    def _scalar(self, node: yaml.Node, path: Path) -> Scalar:
        text = str(node.value)
        if node.tag in (TAG + "str", TAG + "merge"):
            if any("\ud800" <= character <= "\udfff" for character in text):
                self._complain(node, path, "has half of a surrogate pair, which is no character")
            return text.encode("utf-8", "replace").decode()
        value = plain_scalar(text)
        if node.tag == TAG + "float" and isinstance(value, int) and not isinstance(value, bool):
            return value
        if node.tag != TAG + tag_of(value):
            self._complain(node, path, f"has the tag {_short(node.tag)}, which does not fit {text!r}")
        elif isinstance(value, float):
            return self._float(node, value, path)
        elif isinstance(value, int) and value not in _INT64:
            self._complain(node, path, "is beyond 64 bits, which Kubernetes would round: quote it")
        return value

    def _float(self, node: yaml.Node, value: float, path: Path) -> Scalar:
        if value != value or abs(value) == float("inf"):
            self._complain(node, path, f"is {node.value}, which JSON does not have")
        elif value.is_integer() and int(value) in _INT64:
            return int(value)  # kubectl sends 1.0 as 1
        elif node.value.lstrip("+-").isdigit():
            self._complain(node, path, "is beyond 64 bits, which Kubernetes would round: quote it")
        return value

    def _complain(self, node: yaml.Node, path: Path, message: str) -> None:
        self.problems.append(YamlError(message, line=node.start_mark.line + 1, path=path))


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(TAG) if tag.startswith(TAG) else tag
