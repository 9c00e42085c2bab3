"""The link by which somebody without an account reads their complaint: its id, signed by the platform."""

from __future__ import annotations

from itsdangerous import BadData, URLSafeSerializer

from app.errors import NotFound

_SALT = "milestake.complaint"


def sign(secret_key: str, complaint_id: str) -> str:
    """Return the part of the address that only the complainant is given."""
    return URLSafeSerializer(secret_key, salt=_SALT).dumps(complaint_id)


def read(secret_key: str, token: str) -> str:
    """Return the complaint's public id; raises ``NotFound`` for anything that we did not sign."""
    try:
        return str(URLSafeSerializer(secret_key, salt=_SALT).loads(token))
    except BadData:
        raise NotFound("There is no such complaint.", code="complaint_not_found") from None
