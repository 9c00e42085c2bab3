"""Money, tokens and prices are whole numbers: no floating point where they are worked with."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.sources import Module, modules
from tests.architecture.test_imports import FEATURES

#: Floats that are no money: (file, what stands there) and why.
ALLOWED: dict[tuple[str, str], str] = {}

MONEY = ("milestones/", *(f"app/{feature}/" for feature in FEATURES))
PATH_WORDS = ("path", "dir", "root", "folder", "here", "directory")


def floats(module: Module) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each float literal and each use of the type ``float``."""
    for node in ast.walk(module.tree):
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        is_type = isinstance(node, ast.Name) and node.id == "float"
        is_column = isinstance(node, ast.Attribute) and node.attr in {"Float", "REAL", "Double", "total_seconds"}
        if is_literal or is_type or is_column:
            yield node.lineno, ast.unparse(node)


def divisions(module: Module) -> Iterator[tuple[int, str]]:
    """Yield each true division, which makes a float of two whole numbers; joining paths is none."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            operands = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.target, node.value]
            if not any(_is_path(operand) for operand in operands):
                yield node.lineno, ast.unparse(node)


def _is_path(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _is_path(node.left) or _is_path(node.right)
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).endswith("Path")
    name = ast.unparse(node).lower()
    return any(name.rpartition(".")[2].lstrip("_").endswith(word) for word in PATH_WORDS)


def report(found: list[tuple[Module, int, str]]) -> None:
    wrong = [f"{m.path}:{line} {text}" for m, line, text in found if (m.path, text) not in ALLOWED]
    assert not wrong, "money and tokens are whole numbers:\n" + "\n".join(wrong)


def test_no_float_anywhere_in_the_program() -> None:
    report([(m, line, text) for m in modules("milestones", "app") for line, text in floats(m)])


def test_no_true_division_near_money() -> None:
    report([
        (m, line, text) for m in modules("milestones", "app") if m.path.startswith(MONEY)
        for line, text in divisions(m)
    ])


def test_the_guard_sees_what_it_must() -> None:
    source = "a = 0.5\nb = float(x)\nc = x / y\nd = ROOT / 'var'\ne = data_dir / name\nf = x // y\nx /= 2\n"
    module = Module("milestones/made_up.py", "milestones.made_up", ast.parse(source))
    assert [line for line, _text in floats(module)] == [1, 2]
    assert sorted(line for line, _text in divisions(module)) == [3, 7]
