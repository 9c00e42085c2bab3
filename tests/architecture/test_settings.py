"""Every setting that the program reads is in .env.example, and nothing else is."""

from __future__ import annotations

import ast
import re

from app.config import SETTINGS
from tests.architecture.sources import ROOT, modules


def described() -> dict[str, str]:
    """Return the settings of .env.example with their values, commented out or not."""
    text = (ROOT / ".env.example").read_text()
    return dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_env_example_has_every_setting_and_no_other() -> None:
    assert sorted(described()) == sorted(SETTINGS)


def test_env_example_shows_the_true_defaults() -> None:
    shown = described()
    differing = {
        name: shown[name] for name, (default, _why) in SETTINGS.items()
        if name != "DATABASE_URL" and shown[name] != default
    }
    assert not differing, differing


def test_only_the_configuration_reads_the_environment() -> None:
    readers = [
        f"{module.path}:{node.lineno}"
        for module in modules("app", "milestones") if module.name != "app.config"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and ast.unparse(node.value) == "os"
    ]
    assert not readers, readers


def test_compose_sets_only_settings_that_exist() -> None:
    text = (ROOT / "compose.yaml").read_text()
    theirs = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
    named = set(re.findall(r"^\s+([A-Z][A-Z_]+):", text, re.MULTILINE)) - theirs
    assert named <= set(SETTINGS), named - set(SETTINGS)
