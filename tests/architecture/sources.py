"""Read the program's syntax trees once, for the guards of this directory."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Frozen or generated code that the guards of size and numbers leave alone.
NOT_OURS = ("app/migrations/versions/",)


@dataclass(frozen=True)
class Module:
    """One source file: where it is, the name it is imported by, its syntax tree."""

    path: str
    name: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len((ROOT / self.path).read_text().splitlines())


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name, and the line that does it."""

    importer: Module
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer.path}:{self.line} imports {self.imported}"


@functools.cache
def modules(*packages: str) -> tuple[Module, ...]:
    """Return every module of the packages, such as ``app``; without the frozen migrations."""
    found = []
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            relative = path.relative_to(ROOT).as_posix()
            if relative.startswith(NOT_OURS):
                continue
            found.append(_module(relative))
    return tuple(found)


@functools.cache
def _module(path: str) -> Module:
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return Module(path, name, ast.parse((ROOT / path).read_text(), path))


@functools.cache
def imports(module: Module) -> tuple[Import, ...]:
    """Return every import of the module, also those inside functions: hiding one there changes nothing."""
    return tuple(_imports(module))


def _imports(module: Module) -> Iterator[Import]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(module, full if is_module(full) else base, node.lineno)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    package = module.name.split(".")
    if not module.path.endswith("__init__.py"):
        package = package[:-1]
    package = package[: len(package) - (node.level - 1)]
    return ".".join([*package, *([node.module] if node.module else [])])


@functools.cache
def is_module(name: str) -> bool:
    """Say whether a dotted name is a module or package of this repository."""
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or path.is_dir()
