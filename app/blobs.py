"""Keep bytes by their SHA-256: a directory by default, another store behind the same port later."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Protocol

CHUNK_BYTES = 1 << 20


class BlobStore(Protocol):
    """Content-addressed storage: what is put can be read back by its hash, unchanged, for ever."""

    def put(self, stream: BinaryIO) -> tuple[str, int]:
        """Store a stream; return (sha256 in hexadecimal, size in bytes)."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """Open stored bytes for reading; raises ``KeyError`` when there are none."""
        ...


class DirectoryBlobs:
    """Blobs as files ``ab/cdef…`` under one directory, written beside and moved into place."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, stream: BinaryIO) -> tuple[str, int]:
        self.directory.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.directory, delete=False) as partial:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                partial.write(chunk)
            partial.flush()
            os.fsync(partial.fileno())
        target = self._path(digest.hexdigest())
        target.parent.mkdir(exist_ok=True)
        Path(partial.name).replace(target)
        return digest.hexdigest(), size

    def open(self, sha256: str) -> BinaryIO:
        try:
            return self._path(sha256).open("rb")
        except FileNotFoundError as error:
            raise KeyError(sha256) from error

    def _path(self, sha256: str) -> Path:
        return self.directory / sha256[:2] / sha256[2:]
