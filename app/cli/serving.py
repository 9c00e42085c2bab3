"""Run the site on one machine: tables up to date, web and worker as two processes that end together.

More hosts are run by their own means (docs/operations.md): gunicorn for the web, ``flask worker`` beside it.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import sqlalchemy as sa

from app import migrations
from app.config import ROOT, Settings

THREADS = 8
STOP_SECONDS = 15
POLL_SECONDS = 1


def migrate(settings: Settings) -> None:
    """Bring the database up to date; the directory of an SQLite file is made when it is missing."""
    url = sa.make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    migrations.upgrade(settings.database_url)


def demand_development(settings: Settings) -> None:
    """Refuse where people with known passwords and pretend money have no place."""
    if settings.is_production or not settings.sandbox:
        raise click.ClickException(
            "The demo is for looking around: it needs SANDBOX=1 and an environment that is not production. "
            "docs/operations.md says how to run the site itself."
        )


def demand_free_port(host: str, port: int) -> None:
    """Refuse with words when something listens there already, before anything is loaded."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"Something listens on {host}:{port} already. Stop it, or choose another port with --port."
            ) from error


def serve(host: str, port: int) -> int:
    """Run web and worker until Ctrl-C or SIGTERM, or until one of them ends; return the exit status."""
    processes = [
        _start("gunicorn", "--bind", f"{host}:{port}", "--threads", str(THREADS), "--no-control-socket", "wsgi:app"),
        _start("flask", "--app", "wsgi", "worker"),
    ]
    click.echo(f"Milestake is at http://{host}:{port} (Ctrl-C stops it)")
    stopped = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        while not stopped and all(process.poll() is None for process in processes):
            time.sleep(POLL_SECONDS)
    finally:
        _end(processes)
    return 0 if stopped else 1


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask every process to finish what it does, then make it."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(1, int(until - time.monotonic())))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
