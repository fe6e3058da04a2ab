"""Checks the tasks of one module, and the plain functions of the same module that they use."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.check.hazards import FILE_METHODS, Hazard, hazard_of, hazard_of_method, is_known_class
from holdfast.check.scopes import FunctionNode, Scope, function_scope, module_scope
from holdfast.domain.errors import TaskImportError

_IGNORE = re.compile(r"#\s*holdfast:\s*ignore\b")

_TASKS = frozenset({"holdfast.task", "holdfast.sdk.task.task"})
_STEPS = frozenset({"holdfast.step", "holdfast.sdk.step.step"})

_CALL_NOTHING = ("isinstance", "issubclass")
"""What a function or class is given to without being called."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One call that would not be seen again by a replay.

    Attributes:
        file: where its source is.
        line: from 1.
        column: from 1, in characters.
        call: its qualified name.
        hazard: why it does not belong there.
        function: the function that it stands in.
        task: the task that gets there.
    """

    file: Path
    line: int
    column: int
    call: str
    hazard: Hazard
    function: str
    task: str


@dataclass(frozen=True, slots=True)
class ModuleCheck:
    """What was found in one file.

    Attributes:
        tasks: names of the functions that are tasks.
        findings: in the order of the source.
    """

    tasks: tuple[str, ...]
    findings: tuple[Finding, ...]


def check_source(text: str, file: Path) -> ModuleCheck:
    """Check the source of a module.

    Raises:
        TaskImportError: it is not Python.
    """
    try:
        tree = ast.parse(text)
        ignored_lines = frozenset(_ignored_lines(text))
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise TaskImportError(f"{file} cannot be read as Python: {error}") from None
    return _Module(tree, text.splitlines(), ignored_lines, file).check()


def _ignored_lines(text: str) -> Iterator[int]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and _IGNORE.search(token.string):
            yield token.start[0]


class _Module:
    def __init__(self, tree: ast.Module, lines: list[str], ignored_lines: frozenset[int], file: Path) -> None:
        self._lines = lines
        self._ignored_lines = ignored_lines
        self._file = file
        self.scope = module_scope(tree)
        self.functions = {node.name: node for node in _functions(tree.body)}
        self._seen: set[str] = set()
        self._findings: dict[tuple[int, int], Finding] = {}

    def check(self) -> ModuleCheck:
        tasks = tuple(name for name, node in self.functions.items() if self.has_decorator(node, _TASKS, self.scope))
        for name in tasks:
            self.visit(name, task=name)
        return ModuleCheck(tasks, tuple(self._findings[place] for place in sorted(self._findings)))

    def visit(self, function: str, task: str) -> None:
        """Check a function, once."""
        if function in self._seen:
            return
        self._seen.add(function)
        node = self.functions[function]
        visitor = _Body(self, function_scope(node, self.scope), function, task)
        for statement in node.body:
            visitor.visit(statement)

    def is_plain(self, name: str) -> bool:
        """Whether it is a function of this module that is neither a task nor a step."""
        node = self.functions.get(name)
        return node is not None and not self.has_decorator(node, _TASKS | _STEPS, self.scope)

    def has_decorator(self, node: FunctionNode, names: frozenset[str], scope: Scope) -> bool:
        decorators = (each.func if isinstance(each, ast.Call) else each for each in node.decorator_list)
        return any(scope.resolve(each) in names for each in decorators)

    def find(self, node: ast.expr, call: str, hazard: Hazard, function: str, task: str) -> None:
        last_line = node.end_lineno or node.lineno
        if self._ignored_lines.isdisjoint(range(node.lineno, last_line + 1)):
            before = self._lines[node.lineno - 1].encode()[: node.col_offset].decode()
            place = node.lineno, len(before) + 1
            self._findings.setdefault(place, Finding(self._file, *place, call, hazard, function, task))


class _Body(ast.NodeVisitor):
    """Walks through what a function executes itself."""

    def __init__(self, module: _Module, scope: Scope, function: str, task: str) -> None:
        self._module = module
        self._scope = scope
        self._function = function
        self._task = task

    def visit_Call(self, node: ast.Call) -> None:
        self._check_call(node)
        if not (isinstance(node.func, ast.Name) and node.func.id in _CALL_NOTHING):
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                self._check_reference(argument)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self._scope.resolve(node) == "os.environ":
            self._found(node, "os.environ", Hazard.ENVIRONMENT)
        is_step_itself = node.attr == "function" and isinstance(node.value, ast.Name)
        if is_step_itself and isinstance(node.value, ast.Name) and self._is_of_module(node.value.id):
            self._module.visit(node.value.id, self._task)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if self._scope.resolve(node) == "os.environ":
            self._found(node, "os.environ", Hazard.ENVIRONMENT)
        if self._is_of_module(node.id) and self._module.is_plain(node.id):
            self._module.visit(node.id, self._task)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._within(function_scope(node, self._scope)).visit(node.body)

    def _visit_function(self, node: FunctionNode) -> None:
        if self._module.has_decorator(node, _STEPS, self._scope):
            return
        inner = self._within(function_scope(node, self._scope))
        for statement in node.body:
            inner.visit(statement)

    def _within(self, scope: Scope) -> _Body:
        return _Body(self._module, scope, self._function, self._task)

    def _check_call(self, node: ast.Call) -> None:
        name = self._scope.resolve(node.func)
        if name is not None:
            hazard = hazard_of(name, len(node.args))
            if hazard is not None:
                self._found(node, name, hazard)
        elif isinstance(node.func, ast.Attribute):
            self._check_method(node, node.func)

    def _check_method(self, node: ast.Call, method: ast.Attribute) -> None:
        kind = self._scope.class_of(method.value)
        if kind is not None and is_known_class(kind):
            hazard = hazard_of_method(kind, method.attr)
            if hazard is not None:
                self._found(node, f"{kind}.{method.attr}", hazard)
        elif method.attr in FILE_METHODS:
            self._found(node, method.attr, Hazard.IO)

    def _check_reference(self, argument: ast.expr) -> None:
        """What is given to somebody who will call it: a thread, a pool, `map`."""
        name = self._scope.resolve(argument)
        hazard = None if name is None or name.rpartition(".")[2][:1].isupper() else hazard_of(name)
        if name is not None and hazard is not None:
            self._found(argument, name, hazard)

    def _found(self, node: ast.expr, call: str, hazard: Hazard) -> None:
        self._module.find(node, call, hazard, self._function, self._task)

    def _is_of_module(self, name: str) -> bool:
        return name in self._module.functions and self._scope.home_of(name) is self._module.scope


def _functions(body: list[ast.stmt]) -> Iterator[FunctionNode]:
    """The functions of a module, also where it defines them under a condition."""
    for node in body:
        if isinstance(node, FunctionNode):
            yield node
        elif isinstance(node, ast.If):
            yield from _functions([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _functions(
                [*node.body, *(each for handler in node.handlers for each in handler.body), *node.orelse]
            )
