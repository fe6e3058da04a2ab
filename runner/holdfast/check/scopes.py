"""What a name means where it stands: an import under whatever alias, a local variable, or a builtin."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_BUILTINS = ("open", "input")


@dataclass
class Scope:
    """The names of a module, or of a function in it.

    Attributes:
        outer: the scope around it; None for a module.
        imports: qualified names by what they are called here.
        bound: names that are anything else here: parameters, variables, functions.
        classes: of names that hold an instance, the qualified name of its class.
    """

    outer: Scope | None = None
    imports: dict[str, str] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    classes: dict[str, str] = field(default_factory=dict)

    def resolve(self, expression: ast.expr) -> str | None:
        """Return the qualified name of ``expression``; None if it is not one, or is local."""
        if isinstance(expression, ast.Attribute):
            owner = self.resolve(expression.value)
            return None if owner is None else f"{owner}.{expression.attr}"
        if not isinstance(expression, ast.Name):
            return None
        home = self.home_of(expression.id)
        if home is not None:
            return home.imports.get(expression.id)
        return f"builtins.{expression.id}" if expression.id in _BUILTINS else None

    def home_of(self, name: str) -> Scope | None:
        """Return the scope in which a name means something; None for builtins."""
        scope: Scope | None = self
        while scope is not None and name not in scope.imports and name not in scope.bound:
            scope = scope.outer
        return scope

    def class_of(self, expression: ast.expr) -> str | None:
        """Return the qualified name of the class that ``expression`` is an instance of, as far as can be seen."""
        if isinstance(expression, ast.Call):
            name = self.resolve(expression.func)
            return name if name is not None and name.rpartition(".")[2][:1].isupper() else None
        if isinstance(expression, ast.BinOp):  # a path, and what is in it
            return self.class_of(expression.left)
        if isinstance(expression, ast.Name):
            home = self.home_of(expression.id)
            return None if home is None else home.classes.get(expression.id)
        return None


def module_scope(tree: ast.Module) -> Scope:
    """Return the scope of a module."""
    return _filled(Scope(), tree.body)


def function_scope(node: FunctionNode | ast.Lambda, outer: Scope) -> Scope:
    """Return the scope of a function that stands in ``outer``."""
    scope = Scope(outer)
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    for argument in every:
        if argument is None:
            continue
        scope.bound.add(argument.arg)
        kind = None if argument.annotation is None else outer.resolve(argument.annotation)
        if kind is not None:
            scope.classes[argument.arg] = kind
    return _filled(scope, [node.body] if isinstance(node, ast.Lambda) else node.body)


def _filled(scope: Scope, body: list[ast.stmt] | list[ast.expr]) -> Scope:
    nodes = [node for statement in body for node in _inside(statement)]
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                # `import os.path` binds `os`
                scope.imports[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            scope.imports |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            scope.bound.add(node.id)
        elif isinstance(node, FunctionNode | ast.ClassDef):
            scope.bound.add(node.name)
    for node in nodes:
        for target, value in _bindings(node):
            kind = scope.class_of(value)
            if isinstance(target, ast.Name) and kind is not None:
                scope.classes[target.id] = kind
    return scope


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.NamedExpr | ast.AnnAssign) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield node.optional_vars, node.context_expr


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is in it, but for the inside of functions and classes."""
    yield node
    if not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _inside(child)
