"""Check draws by lot: seeds against their commitments and the log, ranks and places against the seeds (MIL-9)."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.audit.service import canonical
from app.offerings import lot_queries
from app.offerings.lot_models import Draw, LotSeed
from app.offerings.models import Offering
from app.selfcheck.problem import Check, Problem, run_checks
from milestones import lots

CHECKS = (
    Check(
        "ticket_of_nothing", "A ticket belongs to no draw, or names another auditor than its party.",
        """SELECT t.candidate AS place, t.id AS ticket FROM lot_ticket t
        LEFT JOIN lot_draw d ON d.id = t.draw_id LEFT JOIN party p ON p.id = t.party_id
        WHERE d.id IS NULL OR p.public_id IS NULL OR p.public_id <> t.candidate""",
    ),
    Check(
        "seed_of_other", "A draw revealed the seed of another offering.",
        """SELECT d.public_id AS place FROM lot_draw d LEFT JOIN lot_seed s ON s.id = d.seed_id
        WHERE s.id IS NULL OR s.offering_id <> d.offering_id OR s.committed_at > d.drawn_at""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield every seed and draw that the log or the arithmetic contradicts."""
    yield from run_checks(session, CHECKS)
    told = {
        each.object_id: each
        for each in session.scalars(sa.select(LogEntry).where(LogEntry.action.in_(["lot.committed", "lot.drawn"])))
    }
    offerings = {row.id: row.public_id for row in session.execute(sa.select(Offering.id, Offering.public_id))}
    seen = set()
    for seed in session.scalars(sa.select(LotSeed)):
        seen.add(seed.public_id)
        kept = {"offering": offerings.get(seed.offering_id), "number": seed.number, "commitment": seed.commitment}
        if seed.public_id not in told or told[seed.public_id].after != canonical(kept):
            yield Problem("seed_untold", seed.public_id, "The log tells of another commitment, or of none.")
        if lots.commitment(seed.seed) != seed.commitment:
            yield Problem("seed_not_committed", seed.public_id, "The seed is not the one that was committed to.")
    for public_id in session.scalars(sa.select(Draw.public_id)).all():
        seen.add(public_id)
        yield from _draw(session, public_id, told.get(public_id), told)
    for public_id in sorted(set(told) - seen):
        yield Problem("draw_gone", public_id, "The log tells of a seed or a draw that is gone.")


def _draw(
    session: Session, public_id: str, entry: LogEntry | None, told: dict[str, LogEntry]
) -> Iterator[Problem]:
    found = lot_queries.shown(session, public_id)
    if found is None:
        yield Problem("draw_altered", public_id, "The draw has no seed or no offering.")
        return
    kept = {
        "offering": found.offering.public_id, "context": found.draw.context, "seed": found.seed.seed,
        "content_hash": found.draw.content_hash, "candidates": len(found.tickets), "excluded": len(found.left_out),
        "seats": found.draw.seats, "milestone": found.draw.milestone_key, "purpose": found.draw.purpose,
    }
    if entry is None or entry.after != canonical(kept) or entry.actor_user_id != found.draw.drawn_by:
        yield Problem("draw_untold", public_id, "The log tells of another draw, by somebody else, or of none.")
    elif told.get(found.seed.public_id) is None or told[found.seed.public_id].id > entry.id:
        yield Problem("seed_too_late", public_id, "The seed was not committed before the draw.")
    if found.recomputed_hash != found.draw.content_hash:
        yield Problem("draw_altered", public_id, "Ranks or places are not those that the seed gives.")
