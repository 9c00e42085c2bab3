"""A stage on which a program plays every person, through the same services as the web.

The demo loader, the replays and the tests stand on it. It writes no row itself; time passes by the
demo clock and by the worker doing what is due.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock, work, worker
from app.accounts import passwords
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.blobs import DirectoryBlobs
from app.closing import funding
from app.config import Settings
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.contracts.models import Milestone
from app.db import Database
from app.demo import seating, standing
from app.demo.investing import Investing
from app.demo.reporting import Reporting
from app.investors import rules as investor_rules
from app.offerings import issuers, withdrawing
from app.offerings import panels as panel_service
from app.offerings import service as offerings
from app.offerings.models import Issuer, Offering
from app.offerings.rules import OfferingFields
from app.payments import service as payments
from app.payments.rails import build_rails
from app.progress import interventions, retention
from app.progress import service as progress
from app.progress.models import Attestation, Submission
from milestones import verdict as verdicts

WORDING_HASH = investor_rules.RISK_WORDING_HASH
DAY = dt.timedelta(days=1)


class Stage(Investing, Reporting):
    """One database, its rails and its clock. Public ids go in and out; rows are read when asked for."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db, self.settings = db, settings
        self.rails = build_rails(settings, db)
        self.blobs = DirectoryBlobs(settings.data_dir)
        self.context = work.Context(db, settings, self.rails)
        #: Whether founders sign by themselves that nobody's commitment was funded by the company.
        self.founders_sign = True
        self._keys = itertools.count(1)
        self._run = hashlib.sha256(str(clock.system_now()).encode()).hexdigest()[:10]

    # -- time ---------------------------------------------------------------------------------------

    @property
    def now(self) -> dt.datetime:
        """Business time."""
        with self.db.read() as session:
            return clock.business_now(session)

    def advance(self, **step: int) -> int:
        """Let time pass (``days=3, hours=1`` …) and the worker act; return how many things it did."""
        return self.advance_to(self.now + dt.timedelta(**step))

    def advance_to(self, instant: dt.datetime) -> int:
        """Let time pass until just after ``instant`` and the worker act; does nothing for the past.

        People are told first of what has happened, as a worker that runs tells them at once: windows count from it
        (MIL-10). Founders report on the way, each in time (MIL-14).
        """
        if instant >= self.now:
            self.work()
        while self.founders_report and (due := self.next_report()) is not None and due[0] <= instant:
            self._move_clock(due[0])
            self.report_due(due[1])
        self._move_clock(instant)
        return self.work()

    def _move_clock(self, instant: dt.datetime) -> None:
        while (left := instant - self.now) >= dt.timedelta(0):
            seconds = min(left // dt.timedelta(seconds=1) + 1, clock.MAX_STEP_SECONDS)
            self.db.unit_of_work(lambda session, step=seconds: clock.advance(session, seconds=step, allowed=True))

    def work(self) -> int:
        """Let the worker do everything that is due; founders sign what their first release waits for (COM-11)."""
        done = worker.run_due(self.context)
        if self.founders_sign and self.sign_funding():
            done += worker.run_due(self.context)
        return done

    def sign_funding(self) -> int:
        """Let each founder sign who funded the commitments of an offering that has closed; return how many did."""

        def sign(session: Session) -> int:
            unsigned = session.execute(
                sa.select(Offering.public_id, Issuer.party_id, Issuer.created_by)
                .join(Issuer, Issuer.id == Offering.issuer_id)
                .where(Offering.state == "active", Offering.funding_stated_at.is_(None))
            ).all()
            for offering_id, party_id, user_id in unsigned:
                founder = Actor(user_id, frozenset({(party_id, "founder")}), second_factor=True)
                funding.state_funding(session, actor=founder, offering_id=offering_id, now=self._now(session))
            return len(unsigned)

        with self.db.read() as session:
            waits = sa.exists().where(Offering.state == "active", Offering.funding_stated_at.is_(None))
            if not session.scalar(sa.select(waits)):
                return 0
        return self.db.unit_of_work(sign)

    def key(self) -> str:
        """Return a fresh idempotency key."""
        return f"{self._run}-{next(self._keys)}"

    # -- people ---------------------------------------------------------------------------------------

    def person(
        self, role: str, name: str, *, email: str | None = None, password_hash: str = passwords.NO_PASSWORD,
        demo: bool = False, may_commit: bool = True,
    ) -> Actor:
        """Create a user with one role, approved, and return them with a fresh second factor.

        An investor is verified, has declared and has understood, unless ``may_commit`` is false.
        """
        address = email or f"{role}.{self.key()}@example.org"

        def create(session: Session) -> Actor:
            user = accounts.create_user(
                session, email=address, name=name, password_hash=password_hash, role=role, now=clock.system_now(),
                approved=True, demo=demo,
            )
            actor = Actor(user.id, frozenset({(user.party_id, role)}), second_factor=True, name=name)
            if role == "investor" and may_commit:
                standing.make_ready(session, actor, user.party_id, now=clock.business_now(session))
            return actor

        return self.db.unit_of_work(create)

    def party(self, actor: Actor, role: str) -> int:
        """Return the party a person plays a role for."""
        return min(actor.parties(role))

    def party_public_id(self, actor: Actor, role: str) -> str:
        """Return that party's public id, as contracts name auditors."""
        from app.accounts.models import Party

        with self.db.read() as session:
            return session.get_one(Party, self.party(actor, role)).public_id

    # -- raising --------------------------------------------------------------------------------------

    def company(
        self, founder: Actor, name: str, *, payee_ref: str = "sbx_acct_ok", place: str = "Bristol, United Kingdom",
        description: str = "",
    ) -> tuple[Actor, str]:
        """Create a company; return its founder, now a member of it, and its public id."""
        issuer = self.db.unit_of_work(
            lambda session: issuers.create_issuer(
                session, actor=founder, name=name, place=place, description=description, payee_ref=payee_ref,
                now=self._now(session),
            )
        )
        joined = Actor(
            founder.user_id, founder.memberships | {(issuer.party_id, "founder")}, second_factor=True, name=founder.name
        )
        return joined, issuer.public_id

    def token_class(
        self, founder: Actor, issuer_id: str, code: str, *, authorised: int, existing: int = 0, name: str = "Class A",
        rights: str = "One vote per token. Dividends equal to ordinary shares.",
    ) -> str:
        """Create a token class and return its public id."""
        return self.db.unit_of_work(
            lambda session: issuers.create_token_class(
                session, actor=founder, issuer_id=issuer_id, code=code, name=name, rights=rights,
                authorised_tokens=authorised, existing_tokens=existing, now=self._now(session),
            )
        ).public_id

    def draft(
        self, founder: Actor, token_class_id: str, fields: OfferingFields, document: Mapping[str, object]
    ) -> str:
        """Draft an offering and return its public id."""
        return self.db.unit_of_work(
            lambda session: offerings.draft_offering(
                session, actor=founder, token_class_id=token_class_id, fields=fields, document=document, key=self.key(),
                now=self._now(session),
            )
        ).public_id

    def launch(self, offering_id: str, founder: Actor, operator: Actor, auditors: Sequence[Actor]) -> None:
        """Submit, draw each milestone's panel among the first n auditors, let them accept, approve and launch."""
        self.submit_offering(offering_id, founder)
        self.appoint(offering_id, operator, auditors)
        self.open_offering(offering_id, founder, operator)

    def submit_offering(self, offering_id: str, founder: Actor) -> None:
        """Send a draft to review."""
        self.db.unit_of_work(
            lambda session: offerings.submit(session, actor=founder, offering_id=offering_id, now=self._now(session))
        )

    def open_offering(self, offering_id: str, founder: Actor, operator: Actor) -> None:
        """Approve what was submitted and launch it."""
        self.db.unit_of_work(
            lambda session: offerings.approve(
                session, actor=operator, offering_id=offering_id, now=self._now(session)
            )
        )
        self.db.unit_of_work(
            lambda session: offerings.launch(session, actor=founder, offering_id=offering_id, now=self._now(session))
        )

    def appoint(self, offering_id: str, operator: Actor, auditors: Sequence[Actor], *, accept: bool = True) -> None:
        """Draw each milestone's panel among the first of ``auditors``, as many as it needs, and let them accept."""
        with self.db.read() as session:
            offering = offerings.offering_by_id(session, offering_id)
            terms = contracts.draft_terms(contract_queries.contract(session, offering.contract_id))
        panels = {each.key: auditors[: each.quorum.auditors] for each in terms.milestones}
        self.appoint_each(offering_id, operator, panels, accept=accept)

    def appoint_each(
        self, offering_id: str, operator: Actor, panels: Mapping[str, Sequence[Actor]], *, accept: bool = True
    ) -> None:
        """Draw each milestone's panel among exactly these auditors, by its key, and let them accept."""
        people = {self.party(each, "auditor"): each for panel in panels.values() for each in panel}

        def draw(session: Session) -> None:
            for key, panel in panels.items():
                seating.only_these(session, {self.party(each, "auditor") for each in panel}, now=self._now(session))
                panel_service.draw_panel(
                    session, actor=operator, offering_id=offering_id, milestone_key=key, now=self._now(session)
                )
            seating.everybody_again(session, now=self._now(session))

        def answer(session: Session) -> None:
            offering = offerings.offering_by_id(session, offering_id)
            for appointment in contracts.appointments(session, offering.contract_id):
                if appointment.state == "appointed":
                    contracts.answer_appointment(
                        session, actor=people[appointment.party_id], appointment_id=appointment.public_id,
                        accept=True, now=self._now(session),
                    )

        self.db.unit_of_work(draw)
        if accept:
            self.db.unit_of_work(answer)

    def close(self, offering_id: str) -> str:
        """Let the deadline pass and return the state that follows."""
        self.advance_to(self.offering(offering_id).deadline_at)
        return self.offering(offering_id).state

    # -- milestones -----------------------------------------------------------------------------------

    def submit_evidence(self, founder: Actor, milestone_id: str, *, statement: str = "Done as agreed.") -> str:
        """Upload one small file for each kind the criteria ask for, submit, and return the submission's id."""
        submission = self.db.unit_of_work(
            lambda session: progress.draft_submission(
                session, actor=founder, milestone_id=milestone_id, now=self._now(session)
            )
        )
        for kind in self.evidence_kinds(milestone_id):
            content = f"{kind} for {milestone_id}, submission {submission.number}\n".encode()
            sha256, size = self.blobs.put(BytesIO(content))
            self.db.unit_of_work(
                lambda session, kind=kind, sha256=sha256, size=size: progress.add_evidence(
                    session, actor=founder, submission_id=submission.public_id, kind=kind, filename=f"{kind}.txt",
                    media_type="text/plain", sha256=sha256, size_bytes=size, now=self._now(session),
                )
            )
        self.db.unit_of_work(
            lambda session: progress.submit(
                session, actor=founder, submission_id=submission.public_id, statement=statement, key=self.key(),
                now=self._now(session),
            )
        )
        return submission.public_id

    def latest_submission(self, offering_id: str, ordinal: int) -> str:
        """Return the public id of a milestone's newest submission."""
        milestone = self.milestone(offering_id, ordinal)
        with self.db.read() as session:
            return session.execute(
                sa.select(Submission.public_id)
                .where(Submission.milestone_id == milestone.id)
                .order_by(Submission.number.desc())
                .limit(1)
            ).scalar_one()

    def evidence_kinds(self, milestone_id: str) -> list[str]:
        """Return the kinds of evidence that a milestone's criteria ask for."""
        with self.db.read() as session:
            milestone = session.execute(sa.select(Milestone).where(Milestone.public_id == milestone_id)).scalar_one()
            offering = session.get_one(Offering, milestone.offering_id)
            terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
            agreed = terms.milestone(milestone.ordinal)
            criteria = agreed.retention.criteria if milestone.state == "retained" else agreed.criteria
        return sorted({kind for criterion in criteria for kind in criterion.evidence})

    def attest(
        self, auditor: Actor, submission_id: str, result: str = "met", *, share_pct: int | None = None, note: str = ""
    ) -> Attestation:
        """Sign the same finding for every criterion."""
        share = {"met": 100, "partly": 50}.get(result, 0) if share_pct is None else share_pct
        return self._sign(auditor, submission_id, lambda key: verdicts.Finding(key, result, share, note))

    def sign(self, auditor: Actor, submission_id: str, findings: Mapping[str, tuple[str, int]]) -> Attestation:
        """Sign a finding of one's own for each criterion: (result, share in %)."""
        return self._sign(auditor, submission_id, lambda key: verdicts.Finding(key, *findings[key]))

    def _sign(
        self, auditor: Actor, submission_id: str, finding: Callable[[str], verdicts.Finding]
    ) -> Attestation:
        def sign(session: Session) -> Attestation:
            submission = session.execute(
                sa.select(Submission).where(Submission.public_id == submission_id)
            ).scalar_one()
            milestone = session.get_one(Milestone, submission.milestone_id)
            offering = session.get_one(Offering, milestone.offering_id)
            terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
            judged = retention.judged(terms.milestone(milestone.ordinal), submission)
            findings = [finding(criterion.key) for criterion in judged.criteria]
            return progress.attest(
                session, actor=auditor, submission_id=submission_id, findings=findings, key=self.key(),
                now=self._now(session),
            )

        return self.db.unit_of_work(sign)

    # -- early ends -----------------------------------------------------------------------------------

    def withdraw(self, founder: Actor, offering_id: str, *, reason: str) -> None:
        """Withdraw an offering; the worker then gives everything back."""
        self.db.unit_of_work(
            lambda session: withdrawing.withdraw(
                session, actor=founder, offering_id=offering_id, reason=reason, now=self._now(session)
            )
        )

    def resign(self, founder: Actor, offering_id: str, *, reason: str) -> None:
        """Let a founder give up; what waits for no verdict goes back."""
        self.db.unit_of_work(
            lambda session: interventions.wind_down(
                session, actor=founder, offering_id=offering_id, trigger="founder_resigned", reason=reason,
                now=self._now(session),
            )
        )

    # -- our own money, and reading -------------------------------------------------------------------

    def fund_float(self, operator: Actor, amount_minor: int, asset: str) -> None:
        """Put the platform's own money behind its float, which pays providers' fees."""
        self.db.unit_of_work(
            lambda session: payments.fund_float(
                session, actor=operator, amount_minor=amount_minor, asset=asset, now=self._now(session), key=self.key()
            )
        )

    def milestones(self, offering_id: str) -> list[Milestone]:
        """Return an offering's milestones in order."""
        with self.db.read() as session:
            offering = offerings.offering_by_id(session, offering_id)
            return contract_queries.milestones_of(session, offering.contract_id)

    def milestone(self, offering_id: str, ordinal: int) -> Milestone:
        """Return one milestone."""
        return next(each for each in self.milestones(offering_id) if each.ordinal == ordinal)

    def offering(self, offering_id: str) -> Offering:
        """Return the offering as it is now."""
        with self.db.read() as session:
            return offerings.offering_by_id(session, offering_id)

    @staticmethod
    def business_now(session: Session) -> dt.datetime:
        """Return the time that deadlines are judged by, inside a unit of work."""
        return clock.business_now(session)

    _now = business_now
