"""What counts as evidence: kinds of files, sizes, and the manifest that binds them (MIL-6)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

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
