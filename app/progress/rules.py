"""What counts as evidence: kinds of files, sizes, and the manifest that binds them (MIL-6)."""

from __future__ import annotations

import codecs
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import BinaryIO

import rfc8785

MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_FILES = 20

#: ending → media type we serve it as. Anything else is refused.
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "pdf": "application/pdf",
        "png": "image/png",
        "jpg": "image/jpeg",
        "jpeg": "image/jpeg",
        "txt": "text/plain",
        "csv": "text/csv",
        "json": "application/json",
        "zip": "application/zip",
    }
)

#: How a file of the type begins; texts are checked by decoding.
SIGNATURES: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "application/pdf": (b"%PDF-",),
        "image/png": (b"\x89PNG\r\n\x1a\n",),
        "image/jpeg": (b"\xff\xd8\xff",),
        "application/zip": (b"PK\x03\x04",),
    }
)

#: stored type → type that a browser may show by itself. Everything else is downloaded.
SHOWN_AS: Mapping[str, str] = MappingProxyType(
    {
        "image/png": "image/png",
        "image/jpeg": "image/jpeg",
        "text/plain": "text/plain",
        "text/csv": "text/plain",
        "application/json": "text/plain",
    }
)

FOUNDER_STATEMENT = (
    "I state on behalf of the company that this submission is complete and true to the best of my knowledge, and that "
    "the files are what they are said to be."
)


def manifest_hash(
    contract_hash: str, milestone_key: str, number: int, files: Sequence[tuple[str, str, str, int]]
) -> str:
    """Return the SHA-256 over RFC 8785 of a submission: contract, milestone, number, and its files in order.

    Each file is (kind, filename, sha256, size in bytes).
    """
    manifest = {
        "contract_hash": contract_hash,
        "milestone": milestone_key,
        "submission": number,
        "files": [
            {"kind": kind, "name": name, "sha256": sha256, "size_bytes": str(size)}
            for kind, name, sha256, size in files
        ],
    }
    return hashlib.sha256(rfc8785.dumps(manifest)).hexdigest()


def part_number(key: str) -> int:
    """Return the number of a part by its release's key: the first has none written in it (REL-1)."""
    number = key.rpartition(":")[2]
    return int(number) if number.isdecimal() else 1


def part_name(ordinal: int, key: str) -> str:
    """Name a part of a milestone's tranche as people read it: ``2.1`` is the first of the second milestone."""
    return f"{ordinal}.{part_number(key)}"


def media_type_of(filename: str) -> str | None:
    """Return the type that a file's ending stands for, None when we take no such files."""
    return MEDIA_TYPES.get(filename.rpartition(".")[2].casefold()) if "." in filename else None


def is_what_it_says(media_type: str, stream: BinaryIO) -> bool:
    """Say whether bytes begin as files of the type do; texts must be UTF-8 without control characters.

    The stream is left at its start.
    """
    stream.seek(0)
    try:
        signatures = SIGNATURES.get(media_type)
        if signatures is None:
            return _is_text(stream)
        return stream.read(16).startswith(signatures)
    finally:
        stream.seek(0)


def _is_text(stream: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    while True:
        piece = stream.read(1 << 16)
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError:
            return False
        if any(character < " " and character not in "\t\n\r\f" for character in text):
            return False
        if not piece:
            return True


def clean_filename(text: str) -> str:
    """Return the last part of a path as a name: NFC, without control characters, at most 120 characters."""
    name = unicodedata.normalize("NFC", text.replace("\\", "/").rpartition("/")[2])
    name = "".join(each for each in name if unicodedata.category(each)[0] != "C").strip()
    stem, dot, ending = name.rpartition(".")
    return f"{stem[:100]}{dot}{ending[:19]}" if dot else name[:120]
