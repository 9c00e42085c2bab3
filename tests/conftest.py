"""Fixtures that every test may use: a fresh database of each kind, with its books checked afterwards.

Databases are made in ``databases.py`` and emptied in ``emptying.py``, programs found in ``programs.py``, people and
offerings built in ``factories``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from jinja2 import FileSystemBytecodeCache

from tests import databases, emptying
from tests.programs import browser_type_launch_args, find_program  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from flask import Flask

    from app.db import Database

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("sqlite", "postgresql")

hypothesis.settings.register_profile("milestake", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("milestake")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--db", choices=[*KINDS, "both"], default="both", help="which databases to test on")


def pytest_configure(config: pytest.Config) -> None:
    # A developer's own settings must not reach the tests, least of all DATABASE_URL.
    from app.config import SETTINGS

    for name in SETTINGS:
        os.environ.pop(name, None)
    os.environ["MILESTAKE_ENV"] = "test"
    # Programs that were installed with the libraries (bean-check, flask) lie beside this Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if not hasattr(config, "workerinput"):
        config.stash[_run] = databases.Run()
    _keep_compiled_templates()


_run = pytest.StashKey[databases.Run]()


def _keep_compiled_templates() -> None:
    """Compile each page's template once in a session: every application that a test makes would do it again."""
    from flask import Flask

    folder = Path(os.environ[databases.RUN_VARIABLE]) / "templates"
    folder.mkdir(exist_ok=True)
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": FileSystemBytecodeCache(str(folder))}


def pytest_unconfigure(config: pytest.Config) -> None:
    emptying.drop_kept()
    if _run in config.stash:
        config.stash[_run].close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses a database once on each kind, or on those its ``databases`` marker names.

    Tests of how pages look and read run once: what they show comes from queries that the rules' tests run on both.
    """
    if "database_kind" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("databases")
    of_pages = metafunc.definition.path.stem.endswith("pages")
    kinds = marker.args if marker else KINDS[:1] if of_pages else KINDS
    metafunc.parametrize(
        "database_kind",
        [pytest.param(kind, marks=pytest.mark.postgres if kind == "postgresql" else ()) for kind in kinds],
        scope="session",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # What takes longest begins first, or the other workers would wait for the one that has it.
    items.sort(key=lambda item: not {"browser", "replay", "faults"} & set(item.path.parts))
    wanted = config.getoption("--db")
    if wanted == "both":
        return
    left_out = [item for item in items if _kind_of(item) not in (None, wanted)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _kind_of(item) in (None, wanted)]


def _kind_of(item: pytest.Item) -> str | None:
    call = getattr(item, "callspec", None)
    return call.params.get("database_kind") if call else None


@pytest.fixture
def database_url(database_kind: str) -> Iterator[str]:
    """Give the URL of a database made for this test alone, for tests that start processes of their own."""
    with databases.fresh_database(database_kind) as url:
        yield url


@pytest.fixture
def db(database_kind: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Give a fresh migrated database; afterwards its ledger check must find nothing.

    Tests marked ``tampers`` break the books on purpose and are spared the check.
    """
    of_its_own = "database_url" in request.fixturenames or request.node.get_closest_marker("tampers") is not None
    with contextlib.ExitStack() as stack:
        if database_kind == "postgresql" and not of_its_own:
            url = stack.enter_context(emptying.empty_after(lambda url: _database_at(url).dispose()))
        else:
            url = request.getfixturevalue("database_url")
            stack.callback(lambda: _database_at(url).dispose())
        yield _database_at(url)
        if request.node.get_closest_marker("tampers") is None:
            _check_books(_database_at(url))


@functools.cache
def _database_at(url: str) -> Database:
    """Return the one engine for an address: the databases there come and go, what it has compiled stays."""
    from app.db import Database

    return Database(url, durable=False)


def _check_books(database: Database) -> None:
    if importlib.util.find_spec("app.selfcheck") is None:
        return
    from app import selfcheck

    with database.read() as session:
        findings = selfcheck.run(session)
    if findings:
        pytest.fail("the ledger check found:\n" + "\n".join(str(finding) for finding in findings), pytrace=False)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """Give the application with an SQLite file that has no tables: for what needs its addresses only."""
    from app import create_app
    from app.config import load_settings

    directory = tmp_path_factory.mktemp("app")
    return create_app(load_settings({
        "MILESTAKE_ENV": "test",
        "DATABASE_URL": f"sqlite:///{directory / 'no-tables.db'}",
        "DATA_DIR": str(directory),
        "MAIL_DIR": str(directory),
    }))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Give the directory of the real contracts and test vectors; skip where there is none."""
    directory = Path(os.environ.get("MILESTAKE_DATA", ROOT.parent / "shared" / "data"))
    if not directory.is_dir():
        pytest.skip(f"the real data is not at {directory} (MILESTAKE_DATA says where it is)")
    return directory
