"""A file is one thing and a function fits a screen; what is longer has a reason written here."""

from __future__ import annotations

import ast

from tests.architecture.sources import modules

FILE_LINES = 400
FUNCTION_LINES = 60
DIRECTORIES = ("milestones", "app", "tests", "bench")

#: path → why it may be longer than FILE_LINES
LONG_FILES: dict[str, str] = {}

#: (path, function) → why it may be longer than FUNCTION_LINES
LONG_FUNCTIONS: dict[tuple[str, str], str] = {
    ("app/config.py", "load_settings"): "one statement for each setting, judged together to tell every fault",
}

VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common"}


def test_files_are_one_thing() -> None:
    long = {m.path: m.lines for m in modules(*DIRECTORIES) if m.lines > FILE_LINES and m.path not in LONG_FILES}
    assert not long, long


def test_functions_fit_a_screen() -> None:
    long = []
    for module in modules(*DIRECTORIES):
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES and (module.path, node.name) not in LONG_FUNCTIONS:
                long.append(f"{module.path}:{node.lineno} {node.name} has {lines} lines")
    assert not long, "\n" + "\n".join(long)


def test_no_exception_is_kept_for_what_is_gone() -> None:
    paths = {module.path for module in modules(*DIRECTORIES)}
    gone = [key for key in (*LONG_FILES, *(path for path, _name in LONG_FUNCTIONS)) if key not in paths]
    assert not gone, gone


def test_names_say_what_is_inside() -> None:
    vague = [m.path for m in modules(*DIRECTORIES) if set(m.name.split(".")) & VAGUE]
    assert not vague, vague


def test_every_module_says_what_it_is_responsible_for() -> None:
    silent = [
        m.path for m in modules("milestones", "app")
        if m.tree.body and not ast.get_docstring(m.tree)
    ]
    assert not silent, silent
