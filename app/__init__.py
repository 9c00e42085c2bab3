"""Put the application together: settings, database, guards, pages, errors.

What each part does stands in its own module; this one only knows the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Settings
    from app.db import Database


def create_app(settings: Settings | None = None, db: Database | None = None) -> Flask:
    """Return the application for these settings, read from the environment unless given.

    ``db`` lets tests and programs share a database that is open already.
    """
    # Imported here so that the worker, migrations and services do not load the web with the package.
    from flask import Flask
    from flask_babel import Babel

    from app import clock, problems, security, shell
    from app.cli import register_cli
    from app.config import load_settings
    from app.db import Database
    from app.logging import configure_logging, log_requests
    from app.web import register_blueprints

    settings = settings or load_settings()
    configure_logging(settings.log_level)
    app = Flask("app", template_folder="../templates", static_folder="../static")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=settings.max_upload_bytes,
        BABEL_DEFAULT_LOCALE="en",
        SEND_FILE_MAX_AGE_DEFAULT=3600 if settings.is_production else None,
    )
    app.extensions["milestake_settings"] = settings
    app.extensions["milestake_db"] = db = db or Database(settings.database_url)
    db.secret = settings.secret_key
    if not settings.sandbox:
        with db.read() as session:
            clock.refuse_offset(session)
    Babel(app)
    log_requests(app)
    security.secure(app, settings)
    problems.answer_errors(app)
    shell.furnish(app)
    register_blueprints(app, settings)
    register_cli(app)
    return app
