"""The linter finds nothing (its rules are in pyproject.toml)."""

from __future__ import annotations

import subprocess
import sys

from tests.architecture.sources import ROOT


def test_the_linter_finds_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "."],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
