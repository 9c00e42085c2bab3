"""Find the programs that some tests drive: the system's Chromium, hledger, beancount, the HTML validator."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def find_program() -> Callable[..., str]:
    """Give a function that returns the path of the first program there is of those it is given.

    Where there is none it skips the test and says so; in continuous integration it fails it.
    """

    def find(*names: str) -> str:
        for name in names:
            if path := shutil.which(name):
                return path
        words = f"not on this machine: {' or '.join(names)}"
        return pytest.fail(words) if os.environ.get("CI") else pytest.skip(words)

    return find


@pytest.fixture(scope="session")
def browser_type_launch_args(find_program: Callable[..., str]) -> dict[str, Any]:
    """Make the browser tests use the system's Chromium, which asks nobody outside for anything."""
    return {
        "executable_path": find_program("chromium", "chromium-browser", "google-chrome"),
        "args": [
            "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
        ],
    }
