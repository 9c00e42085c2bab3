"""Check what was promised and signed: terms, panels, evidence, findings, verdicts and releases, by their hashes.

Everything here is worked out again by the functions that made it. The number of contracts and submissions is
small beside that of investors, so this is the one part that walks through rows in Python.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.audit.service import canonical
from app.contracts import queries as contract_queries
from app.contracts.models import Appointment, Milestone, TermsVersion
from app.contracts.queries import Published
from app.ledger.models import Journal
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.progress import counting, releases, retention, rules, standing, withdrawals
from app.progress import service as progress
from app.progress.models import Attestation, AttestationWithdrawal, Evidence, Release, Submission
from app.selfcheck.halts import told_otherwise
from app.selfcheck.problem import Check, Problem, run_checks
from milestones import document as documents
from milestones import verdict as verdicts
from milestones.terms import SEQUENTIAL, MilestoneTerms, Terms

#: Five business days are at most so many, with holidays; a deadline in "open" is later by the time to appeal only.
APPEAL_AT_MOST = dt.timedelta(days=14)

CHECKS = (
    Check(
        "terms_numbers", "The contract's versions are not numbered from 1 without a gap.",
        """SELECT c.public_id AS place, COUNT(v.id) AS versions FROM contract c
        JOIN terms_version v ON v.contract_id = c.id GROUP BY c.public_id
        HAVING MAX(v.number) <> COUNT(v.id) OR MIN(v.number) <> 1""",
    ),
    Check(
        "contract_alone", "The contract is not exactly one offering's.",
        """SELECT c.public_id AS place, COUNT(o.id) AS offerings FROM contract c
        LEFT JOIN offering o ON o.contract_id = c.id GROUP BY c.public_id HAVING COUNT(o.id) <> 1""",
    ),
    Check(
        "appointment_untold", "The log does not say that this auditor was appointed, or names somebody else.",
        """SELECT a.public_id AS place, a.appointed_by FROM appointment a
        LEFT JOIN offering o ON o.contract_id = a.contract_id LEFT JOIN party p ON p.id = a.party_id
        LEFT JOIN appointment b ON b.id = a.replaces_id
        WHERE NOT EXISTS (SELECT 1 FROM log_entry l
          WHERE l.object_id = o.public_id
          AND COALESCE(l.actor_user_id, 0) = a.appointed_by AND l.at = a.appointed_at
          AND CASE WHEN a.replaces_id IS NULL THEN l.action = 'auditors.appointed'
              AND l.after LIKE '%"' || p.public_id || '"%"milestone":"' || a.milestone_key || '"}'
            ELSE l.action = 'auditor.replaced' AND l.after LIKE '%"auditor":"' || p.public_id || '"%'
              AND l.after LIKE '%"in_place_of":"' || b.public_id || '"%' END)""",
    ),
    Check(
        "seat_replaced", "A seat has two successors, or one though nobody gave it up.",
        """SELECT a.public_id AS place, a.state, COUNT(r.id) AS successors FROM appointment a
        LEFT JOIN appointment r ON r.replaces_id = a.id GROUP BY a.public_id, a.state
        HAVING COUNT(r.id) > CASE WHEN a.state IN ('appointed', 'accepted') THEN 0 ELSE 1 END
        UNION ALL
        SELECT r.public_id, r.state, 0 FROM appointment r LEFT JOIN appointment a ON a.id = r.replaces_id
        AND a.contract_id = r.contract_id AND a.milestone_key = r.milestone_key
        WHERE r.replaces_id IS NOT NULL AND a.id IS NULL""",
    ),
    Check(
        "seat_not_drawn", "The auditor was not drawn for this seat.",
        """SELECT a.public_id AS place, a.draw_id FROM appointment a WHERE a.draw_id IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM lot_draw d JOIN lot_ticket t ON t.draw_id = d.id JOIN offering o ON o.id = d.offering_id
          WHERE d.id = a.draw_id AND t.party_id = a.party_id AND t.position IS NOT NULL
          AND o.contract_id = a.contract_id AND d.milestone_key = a.milestone_key)""",
    ),
    Check(
        "review_rounds", "The review had another number of time limits than the log tells.",
        """SELECT s.public_id AS place, s.review_round FROM submission s
        LEFT JOIN (SELECT object_id, MAX(id) AS id FROM log_entry WHERE action = 'review.round' GROUP BY object_id) n
          ON n.object_id = s.public_id LEFT JOIN log_entry l ON l.id = n.id
        WHERE (l.id IS NULL AND s.review_round <> 1)
        OR (l.id IS NOT NULL AND l.after NOT LIKE '%"round":' || s.review_round || '}')""",
    ),
    Check(
        "issuer_of_other", "The company's party is not the one that its founder acts for.",
        """SELECT i.public_id AS place, i.party_id, i.created_by FROM issuer i WHERE NOT EXISTS (
          SELECT 1 FROM membership m JOIN party p ON p.id = m.party_id WHERE m.user_id = i.created_by
          AND m.party_id = i.party_id AND m.role = 'founder' AND p.kind = 'legal')""",
    ),
    Check(
        "evidence_numbers", "The submission's files are not numbered from 1 without a gap.",
        """SELECT s.public_id AS place, COUNT(e.id) AS files FROM submission s JOIN evidence e ON e.submission_id = s.id
        GROUP BY s.public_id HAVING MAX(e.ordinal) <> COUNT(e.id) OR MIN(e.ordinal) <> 1""",
    ),
    Check(
        "evidence_untold", "The log tells of another file.",
        """SELECT e.public_id AS place, e.size_bytes FROM evidence e JOIN submission s ON s.id = e.submission_id
        WHERE NOT EXISTS (SELECT 1 FROM log_entry l WHERE l.object_id = e.public_id
          AND l.after = '{"kind":"' || e.kind || '","sha256":"' || e.sha256 || '","size_bytes":' || e.size_bytes
            || ',"submission":"' || s.public_id || '"}')""",
    ),
    # Who signed may lose the seat later, by an amendment; what they signed stands (MIL-13).
    Check(
        "attestation_of_other", "The attestation is not of an accepted auditor's, or on other files or terms.",
        """SELECT a.public_id AS place, a.party_id, a.user_id FROM attestation a
        LEFT JOIN submission s ON s.id = a.submission_id LEFT JOIN milestone m ON m.id = s.milestone_id
        WHERE m.id IS NULL OR a.contract_hash <> COALESCE(s.contract_hash, '')
        OR a.manifest_hash <> COALESCE(s.manifest_hash, '')
        OR NOT EXISTS (SELECT 1 FROM appointment p WHERE p.contract_id = m.contract_id AND p.milestone_key = m.key
          AND p.party_id = a.party_id AND (p.state = 'accepted' OR EXISTS (SELECT 1 FROM log_entry l
            WHERE l.object_id = p.public_id AND l.before = '{"state":"accepted"}' AND l.at >= a.signed_at)))
        OR NOT EXISTS (SELECT 1 FROM membership b WHERE b.user_id = a.user_id AND b.party_id = a.party_id
          AND b.role = 'auditor')""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is not as it was promised or signed."""
    yield from run_checks(session, CHECKS)
    yield from _terms(session)
    yield from _figures(session)
    yield from _submissions(session)
    yield from _attestations(session)
    yield from told_otherwise(
        session, "withdrawal", AttestationWithdrawal, withdrawals.told, withdrawals.ACTION, "user_id"
    )
    yield from _releases(session)


def _terms(session: Session) -> Iterator[Problem]:
    """Hash every version again, and compare milestones, panels and dates with the version in force."""
    in_force = {row.terms_version_id: row for row in session.execute(sa.select(Offering.__table__))}
    milestones, seats = defaultdict(list), defaultdict(set)
    for row in session.execute(sa.select(Milestone.__table__)):
        milestones[row.contract_id].append(row)
    party = sa.table("party", sa.column("id"), sa.column("public_id"))
    accepted = sa.select(Appointment.contract_id, Appointment.milestone_key, party.c.public_id).join(
        party, party.c.id == Appointment.party_id
    )
    # Who had accepted when the version was published, and gave the seat up only later, if at all.
    published = sa.select(sa.func.max(TermsVersion.published_at)).where(
        TermsVersion.contract_id == Appointment.contract_id
    ).scalar_subquery()
    first_panel = sa.and_(
        Appointment.answered_at <= published, Appointment.state != "declined",
        sa.or_(Appointment.ended_at.is_(None), Appointment.ended_at > published),
    )
    for row in session.execute(accepted.where(first_panel)):
        seats[row.contract_id, row.milestone_key].add(row.public_id)
    for version in session.execute(sa.select(TermsVersion.__table__)):
        if hashlib.sha256(version.document.encode()).hexdigest() != version.content_hash:
            yield Problem("terms_altered", version.public_id, "The terms are not those of their hash.")
            continue
        terms = documents.parse_document(json.loads(version.document))
        if documents.contract_hash(terms) != version.content_hash:
            yield Problem("terms_altered", version.public_id, "The terms are not in their canonical form.")
        offering = in_force.get(version.id)
        if offering is None:
            continue
        if offering.contract_id != version.contract_id:
            yield Problem("terms_of_other", offering.public_id, "The offering's terms are another contract's.")
        not_met = _not_met(session, offering.id)
        expected = {tranche.ordinal: (tranche.key, tranche.bp) for tranche in terms.tranches}
        rows = milestones[version.contract_id]
        if {row.ordinal: (row.key, row.tranche_bp) for row in rows} != expected:
            yield Problem("milestones_not_terms", offering.public_id, "The milestones are not those of the terms.")
            continue
        moved = sum(row.tolled_seconds for row in rows) if terms.order == SEQUENTIAL else 0
        if offering.long_stop_at != terms.long_stop_at() + dt.timedelta(
            seconds=moved + offering.halted_seconds
        ):
            yield Problem("long_stop_altered", offering.public_id,
                          "The long-stop is not the agreed one, the tolling and the halts.", {"tolled_seconds": moved})
        for row in rows:
            earlier = sum(each.tolled_seconds for each in rows if each.ordinal < row.ordinal)
            if row.moved_seconds != (earlier if terms.order == SEQUENTIAL else 0):
                yield Problem("dates_moved", row.public_id,
                              "The dates moved by another time than earlier reviews took.",
                              {"moved_seconds": row.moved_seconds, "tolled_seconds": earlier})
            agreed = terms.milestone(row.ordinal) if row.ordinal else None
            panel = seats[version.contract_id, row.key]
            for what in _differences(row, agreed, terms, panel, offering, not_met.get(row.id, 0)):
                yield Problem("milestone_not_terms", row.public_id, "The milestone is not as the terms have it.",
                              {"differs": what})


def _differences(
    row: sa.Row, agreed: MilestoneTerms | None, terms: Terms, panel: set[str], offering: sa.Row, not_met: int
) -> Iterator[str]:
    """Yield what of a milestone's row is not what the terms, its submissions and its offering give."""
    if row.offering_id != offering.id:
        yield "offering"
    if row.title != (agreed.title if agreed else "Closing"):
        yield "title"
    if agreed is None:
        if (row.target_at, row.long_stop_at, row.tolled_seconds, row.tries_left) != (None, None, 0, 0):
            yield "dates"
        return
    moved = dt.timedelta(seconds=row.moved_seconds + row.halted_seconds + row.extended_seconds)
    if row.target_at != agreed.target_at(terms.zone) + moved:
        yield "target_at"
    if row.long_stop_at != agreed.long_stop_at(terms.zone) + moved + dt.timedelta(seconds=row.tolled_seconds):
        yield "long_stop_at"
    # No milestone fails while its "not met" may be appealed (MIL-10).
    later = APPEAL_AT_MOST if not_met else dt.timedelta(0)
    if row.state == "open" and not row.long_stop_at <= row.deadline_at <= row.long_stop_at + later:
        yield "deadline_at"
    if row.tries_left != max(0, agreed.resubmissions - not_met):
        yield "tries_left"
    if panel != set(agreed.auditors):
        yield "auditors"


def _not_met(session: Session, offering_id: int) -> dict[int, int]:
    """Count, by milestone, the verdicts "not met" that cost a try: those before any wind-down (MIL-6, WND-2)."""
    offering = session.get_one(Offering, offering_id)
    began = session.execute(
        sa.select(sa.func.min(LogEntry.at)).where(
            LogEntry.object_id == offering.public_id, LogEntry.action == "offering.wind_down"
        )
    ).scalar()
    counted = (
        sa.select(Submission.milestone_id, sa.func.count())
        .join(Milestone, Milestone.id == Submission.milestone_id)
        .where(Milestone.offering_id == offering_id, standing.verdict_sql(by=began) == "not_met")
        .group_by(Submission.milestone_id)
    )
    if began is not None:
        counted = counted.where(Submission.decided_at <= began)
    return {milestone_id: int(count) for milestone_id, count in session.execute(counted)}


def _figures(session: Session) -> Iterator[Problem]:
    """Compare every offering, class and company with the figures that the log tells of them (OFF-2)."""
    actions = ("offering.drafted", "offering.draft_changed", "offering.fee_agreed", "offering.published",
               "offering.deadline_moved", "offering.version_published", "offering.terms_amended")
    for offering in session.scalars(sa.select(Offering)):
        told = session.execute(
            sa.select(LogEntry.after)
            .where(LogEntry.object_id == offering.public_id, LogEntry.action.in_(actions))
            .order_by(LogEntry.id.desc())
            .limit(1)
        ).scalar()
        if told != canonical(offerings.told_figures(session, offering)):
            yield Problem("figures_altered", offering.public_id, "The offering's figures are not those the log tells.")
    issuer = sa.table("issuer", sa.column("id"), sa.column("public_id"), sa.column("payee_ref"))
    classes = sa.table(
        "token_class", sa.column("public_id"), sa.column("issuer_id"), sa.column("code"),
        sa.column("authorised_tokens"), sa.column("existing_tokens"),
    )
    rows = session.execute(
        sa.select(classes, issuer.c.public_id.label("issuer"), LogEntry.after)
        .outerjoin(issuer, issuer.c.id == classes.c.issuer_id)
        .outerjoin(LogEntry, sa.and_(LogEntry.object_id == classes.c.public_id,
                                     LogEntry.action == "token_class.created"))
    )
    for row in rows:
        stands = {"issuer": row.issuer, "code": row.code, "authorised": row.authorised_tokens,
                  "existing": row.existing_tokens}
        if row.after != canonical(stands):
            yield Problem("class_altered", row.public_id, "The token class is not as it was created.")
    for row in session.execute(sa.select(issuer)):
        entry = session.execute(
            sa.select(LogEntry.after)
            .where(LogEntry.object_id == row.public_id,
                   LogEntry.action.in_(["issuer.created", "issuer.payee_changed"]))
            .order_by(LogEntry.id.desc())
            .limit(1)
        ).scalar()
        if entry != canonical({"payee": row.payee_ref}):
            yield Problem("payee_altered", row.public_id, "Payouts would go to an account that nobody named.")


def _submissions(session: Session) -> Iterator[Problem]:
    """Hash every submission's files again, and compute every verdict again from the findings (MIL-6, MIL-7)."""
    files, signed = defaultdict(list), defaultdict(list)
    for row in session.execute(sa.select(Evidence.__table__).order_by(Evidence.submission_id, Evidence.ordinal)):
        files[row.submission_id].append((row.kind, row.filename, row.sha256, row.size_bytes))
    for attestation in session.scalars(sa.select(Attestation).where(progress.stands()).order_by(Attestation.id)):
        signed[attestation.submission_id].append(attestation)
    taken_back = set(session.scalars(sa.select(Attestation.submission_id).where(~progress.stands())))
    rows = session.execute(
        sa.select(Submission, Milestone, Offering.contract_id)
        .join(Milestone, Milestone.id == Submission.milestone_id)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Submission.status.in_(["received", "decided"]))
    )
    for submission, milestone, contract_id in rows:
        version = _in_force_at(session, contract_id, submission)
        hashed = rules.manifest_hash(
            submission.contract_hash or "", milestone.key, submission.number, files[submission.id]
        )
        if version is None or submission.manifest_hash != hashed:
            yield Problem("submission_altered", submission.public_id, "The files or terms are not those handed in.")
            continue
        agreed = next(each for each in version.terms.milestones if each.key == milestone.key)
        at_time_limit = submission.decided_at is not None and submission.review_due_at is not None and (
            submission.decided_at >= submission.review_due_at or submission.id in taken_back
        )
        try:
            terms = retention.judged(agreed, submission)
            given = counting.counting(submission, signed[submission.id], terms.quorum.approvals)
            found = verdicts.verdict(
                counting.deciding(submission, terms, given), given, at_time_limit=at_time_limit
            )
        except (verdicts.FindingError, LookupError, ValueError):
            yield Problem("verdict_altered", submission.public_id, "The findings cannot be read any more.")
            continue
        stands = None if found is None else found.result
        # A part that no partial release was left for, or that did not rise, is not met (MIL-11).
        is_uncounted = stands == verdicts.PARTLY and submission.verdict == verdicts.NOT_MET
        if stands != submission.verdict and not (is_uncounted and milestone.parts):
            yield Problem("verdict_altered", submission.public_id, "The verdict does not follow from the findings.",
                          {"verdict": submission.verdict, "follows": stands})


def _in_force_at(session: Session, contract_id: int, submission: Submission) -> Published | None:
    """Return the version that a submission names, if it was in force when it was received (MIL-6, MIL-13)."""
    versions = session.scalars(
        sa.select(TermsVersion).where(TermsVersion.contract_id == contract_id).order_by(TermsVersion.number)
    ).all()
    # Two versions may have one hash: terms can be amended back.
    for index, version in enumerate(versions):
        until = versions[index + 1].published_at if index + 1 < len(versions) else None
        if version.content_hash == submission.contract_hash and submission.received_at is not None and (
            version.published_at <= submission.received_at and (until is None or submission.received_at <= until)
        ):
            return contract_queries.published_terms(session, version.id)
    return None


def _attestations(session: Session) -> Iterator[Problem]:
    rows = session.execute(
        sa.select(Attestation, Submission.public_id).join(Submission, Submission.id == Attestation.submission_id)
    )
    for attestation, submission_id in rows:
        if progress.attestation_hash(attestation, submission_id) != attestation.content_hash:
            yield Problem("attestation_altered", attestation.public_id, "The findings are not those that were signed.")


def _releases(session: Session) -> Iterator[Problem]:
    rows = session.execute(
        sa.select(Release, Offering, Milestone.public_id, Journal.public_id)
        .join(Offering, Offering.id == Release.offering_id)
        .join(Journal, Journal.id == Release.journal_id)
        .outerjoin(Milestone, Milestone.id == Release.milestone_id)
    )
    for release, offering, milestone, journal in rows:
        until = contract_queries.hashes_until(session, offering.contract_id, release.occurred_at)
        hashed = {
            releases.release_hash(
                release, offering=offering, milestone=milestone, journal=journal, contract_hash=contract_hash
            )
            for contract_hash in until
        }
        if release.content_hash not in hashed:
            yield Problem("release_altered", release.public_id, "The release is not the one that was recorded.")
