"""The table of pages: which modules bring blueprints into the application.

Each module named here has a ``blueprint``. The API is a table of its own when there is one.
"""

from __future__ import annotations

import importlib

from flask import Flask

from app.config import Settings

#: In the order of features; the order does not matter to routing.
VIEWS = (
    "app.accounts.views",
)

#: Pages for those who build Milestake; never in production.
DEVELOPMENT_VIEWS = ("app.styleguide",)


def register_blueprints(app: Flask, settings: Settings) -> None:
    """Add every feature's pages to ``app``."""
    for name in VIEWS + (() if settings.is_production else DEVELOPMENT_VIEWS):
        module = importlib.import_module(name)
        app.register_blueprint(module.blueprint)
