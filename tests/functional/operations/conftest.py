"""A running offering with its people signed in, for operators, supervisors and the clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from app import create_app
from app.db import Database
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.signed_in import signed_in
from tests.functional.visitor import Visitor


@pytest.fixture
def life(db: Database) -> Life:
    """Give an offering that closed and whose first milestone is open, with two auditors who must both agree."""
    return lives.active(db, auditors=2, contract={"approvals": 2, "auditors": 2})


@pytest.fixture
def pages(life: Life) -> Flask:
    """Give the site with the files of this life."""
    return create_app(life.stage.settings, life.stage.db)


@pytest.fixture
def as_(pages: Flask) -> Callable[..., Visitor]:
    """Give a way to be somebody: ``as_(life.founder)``."""
    return lambda actor, **options: signed_in(pages, actor, **options)
