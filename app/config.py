"""Read the settings from the environment, all at once, and refuse to start with wrong ones.

Every setting stands in ``SETTINGS`` below and in ``.env.example``. Production refuses defaults that
are only fit for one machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
DEVELOPMENT_SECRET = "development-only-secret-key-change-me"  # noqa: S105 - refused in production
DEVELOPMENT_DATABASE = f"sqlite:///{ROOT / 'var' / 'milestake.db'}"
MIN_SECRET_LENGTH = 32


class SettingsError(Exception):
    """One or more settings are wrong; the message lists all of them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated settings. Sizes in bytes, times in seconds."""

    environment: str
    database_url: str
    secret_key: str
    sandbox: bool
    data_dir: Path
    mail_dir: Path
    smtp_url: str
    mail_from: str
    public_url: str
    trusted_proxies: int
    max_upload_bytes: int
    log_level: str
    worker_tick_seconds: int
    several_hosts: bool
    cookie_secure: bool

    @property
    def is_production(self) -> bool:
        return self.environment == "production"


#: name → (default, what it is for)
SETTINGS: Mapping[str, tuple[str, str]] = {
    "MILESTAKE_ENV": ("development", "development, test or production"),
    "DATABASE_URL": (DEVELOPMENT_DATABASE, "SQLite for one machine, postgresql+psycopg:// for more"),
    "SECRET_KEY": (DEVELOPMENT_SECRET, "signs sessions and forms; at least 32 characters in production"),
    "SANDBOX": ("1", "1: pretend money and a demo clock; 0: real money"),
    "DATA_DIR": ("var/blobs", "where evidence files are kept"),
    "MAIL_DIR": ("var/mail", "where mails are written when SMTP_URL is empty"),
    "SMTP_URL": ("", "smtp://user:password@host:587, empty to write mails to MAIL_DIR"),
    "MAIL_FROM": ("Milestake <no-reply@localhost>", "sender of mails"),
    "PUBLIC_URL": ("http://127.0.0.1:8000", "address that people reach the site at"),
    "TRUSTED_PROXIES": ("0", "how many proxies in front are trusted for the client's address"),
    "MAX_UPLOAD_BYTES": ("26214400", "largest request, 25 MiB unless set"),
    "LOG_LEVEL": ("INFO", "DEBUG, INFO, WARNING or ERROR"),
    "WORKER_TICK_SECONDS": ("2", "how often the worker looks for due work"),
    "SEVERAL_HOSTS": ("0", "1 when web or worker run on more than one host; needs PostgreSQL"),
}


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings, or raise :class:`SettingsError` naming every wrong one."""
    environ = os.environ if environ is None else environ
    value = {name: environ.get(name, default) for name, (default, _why) in SETTINGS.items()}
    problems: list[str] = []

    def flag(name: str) -> bool:
        if value[name] not in {"0", "1"}:
            problems.append(f"{name} must be 0 or 1")
        return value[name] == "1"

    def whole(name: str, low: int, high: int) -> int:
        text = value[name]
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            problems.append(f"{name} must be a whole number from {low} to {high}")
            return low
        return int(text)

    environment = value["MILESTAKE_ENV"]
    if environment not in {"development", "test", "production"}:
        problems.append("MILESTAKE_ENV must be development, test or production")
    public_url = value["PUBLIC_URL"].rstrip("/")
    loopback = public_url.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
    if not loopback and not public_url.startswith("https://"):
        problems.append("PUBLIC_URL must start with https:// unless it is on loopback")
    try:
        backend = sa.make_url(value["DATABASE_URL"]).get_backend_name()
    except sa.exc.ArgumentError:
        backend = ""
    if backend not in {"sqlite", "postgresql"}:
        problems.append("DATABASE_URL must be sqlite:///… or postgresql+psycopg://…")
    several_hosts = flag("SEVERAL_HOSTS")
    if several_hosts and backend == "sqlite":
        problems.append("SEVERAL_HOSTS needs PostgreSQL: SQLite serves one machine")
    if environment == "production":
        if value["SECRET_KEY"] == DEVELOPMENT_SECRET or len(value["SECRET_KEY"]) < MIN_SECRET_LENGTH:
            problems.append(f"SECRET_KEY must be set to at least {MIN_SECRET_LENGTH} characters of your own")
        if "DATABASE_URL" not in environ:
            problems.append("DATABASE_URL must be set")
        if "SANDBOX" not in environ:
            problems.append("SANDBOX must be set: 1 for pretend money, 0 for real money")
        if loopback:
            problems.append("PUBLIC_URL must be the https address of the site")
    settings = Settings(
        environment=environment,
        database_url=value["DATABASE_URL"],
        secret_key=value["SECRET_KEY"],
        sandbox=flag("SANDBOX"),
        data_dir=_path(value["DATA_DIR"]),
        mail_dir=_path(value["MAIL_DIR"]),
        smtp_url=value["SMTP_URL"],
        mail_from=value["MAIL_FROM"],
        public_url=public_url,
        trusted_proxies=whole("TRUSTED_PROXIES", 0, 5),
        max_upload_bytes=whole("MAX_UPLOAD_BYTES", 1_048_576, 1_073_741_824),
        log_level=value["LOG_LEVEL"],
        worker_tick_seconds=whole("WORKER_TICK_SECONDS", 1, 3600),
        several_hosts=several_hosts,
        cookie_secure=not loopback,
    )
    if value["LOG_LEVEL"] not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        problems.append("LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR")
    if problems:
        raise SettingsError("Milestake cannot start:\n- " + "\n- ".join(problems))
    return settings


def _path(text: str) -> Path:
    path = Path(text)
    return path if path.is_absolute() else ROOT / path
