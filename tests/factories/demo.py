"""The demo as ``make run`` loads it, loaded once for all tests that look at it."""

from __future__ import annotations

from app.db import Database
from app.demo import loading
from app.demo.stage import Stage
from tests.factories import life as lives
from tests.remembering import remembered


@remembered(lives.stage_at)
def loaded(db: Database) -> Stage:
    """Load the demo into an empty database; the files of its evidence lie where the stage's settings say."""
    stage = lives.stage_at(db)
    assert loading.load(db, stage.settings)
    return stage
