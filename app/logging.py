"""Write structured logs: JSON, one line an event, with the request's id and no personal data.

A request is logged by its route, never by its path or query, because those may carry tokens.
"""

from __future__ import annotations

import logging
import secrets
import sys
import time

import structlog
from flask import Flask, Response, g, request

REQUEST_ID_HEADER = "X-Request-ID"


def configure_logging(level: str) -> None:
    """Send every log line, ours and the libraries', to standard error as JSON."""
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if getattr(old, "milestake", False)]:
        root.removeHandler(old)
    handler.milestake = True
    root.addHandler(handler)
    root.setLevel(level)
    # What these tell at every tick or start is noise beside our own events.
    for noisy in ("apscheduler", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # The development server's own access lines would repeat ours, with paths in them.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger that takes an event's name and its facts as keywords."""
    return structlog.get_logger(name)


def log_requests(app: Flask) -> None:
    """Give every request an id, and write one line when it is answered."""
    logger = get_logger("app.request")

    @app.before_request
    def begin() -> None:
        g.request_id = secrets.token_hex(6)
        g.request_began = time.monotonic_ns()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def finish(response: Response) -> Response:
        if "request_id" not in g:
            return response
        response.headers[REQUEST_ID_HEADER] = g.request_id
        if request.endpoint != "static":
            logger.info(
                "request",
                method=request.method,
                route=request.url_rule.rule if request.url_rule else None,
                status=response.status_code,
                milliseconds=(time.monotonic_ns() - g.request_began) // 1_000_000,
            )
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        structlog.contextvars.clear_contextvars()


def request_reference() -> str:
    """Return the id of the present request, which error pages show and logs carry."""
    return g.get("request_id", "none")
