"""Founders who report in time: a part of the stage, because a plan whose founder stays silent ends (MIL-14)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app import clock
from app.accounts.actor import Actor
from app.db import Database
from app.offerings.models import Issuer, Offering
from app.progress import reporting
from app.progress.lateness_models import Report
from app.progress.reporting import ReportFields
from milestones import lateness

#: So long before its due date a founder on stage files a report.
BEFORE = dt.timedelta(hours=12)


class Reporting:
    """What founders report. ``founders_report`` says whether they do so by themselves, whenever one is due.

    ``silent`` has the public ids of the offerings whose founders do not.
    """

    db: Database
    founders_report = True
    silent: frozenset[str] = frozenset()

    def next_report(self) -> tuple[dt.datetime, int] | None:
        """Return when the nearest report will be filed and its id, None when none is owed."""
        with self.db.read() as session:
            row = session.execute(
                sa.select(Report.due_at, Report.id)
                .join(Offering, Offering.id == Report.offering_id)
                .where(
                    Report.state == lateness.DUE, Offering.state == "active", Offering.halted_since.is_(None),
                    Offering.public_id.not_in(self.silent),
                )
                .order_by(Report.due_at, Report.id)
                .limit(1)
            ).one_or_none()
            # One that is past its date already was not filed in time by anybody.
            if row is None or row.due_at <= clock.business_now(session):
                return None
            return row.due_at - BEFORE, row.id

    def report(self, founder: Actor, offering_id: str, **changes: object) -> Report:
        """File a report on the quarter and return it; ``changes`` replace parts of it."""
        with self.db.read() as session:
            today = clock.business_now(session).date()
        fields: dict[str, object] = {
            "done": "We worked on the next milestone as planned.", "spent_minor": 10_000,
            "next_steps": "Finish what the next milestone asks for.", "next_on": today + dt.timedelta(days=60),
            "cash_left_minor": 50_000, "risks": "A supplier may deliver late.", **changes,
        }
        return self.db.unit_of_work(
            lambda session: reporting.file(
                session, actor=founder, offering_id=offering_id, fields=ReportFields(**fields),  # type: ignore[arg-type]
                key=self.key(), now=clock.business_now(session),
            )
        )

    def key(self) -> str:
        """Return a fresh idempotency key."""
        raise NotImplementedError

    def report_due(self, report_id: int) -> None:
        """Let the founder of a report's company file it."""
        with self.db.read() as session:
            offering_id, party_id, user_id = session.execute(
                sa.select(Offering.public_id, Issuer.party_id, Issuer.created_by)
                .join(Issuer, Issuer.id == Offering.issuer_id)
                .join(Report, Report.offering_id == Offering.id)
                .where(Report.id == report_id)
            ).one()
        self.report(Actor(user_id, frozenset({(party_id, "founder")})), offering_id)
