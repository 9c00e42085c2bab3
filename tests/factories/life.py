"""Build people, offerings and contracts for tests, in any state, through the services."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import clock
from app.accounts.actor import Actor
from app.config import Settings, load_settings
from app.db import Database
from app.demo.stage import Stage
from app.offerings import fees
from app.offerings.rules import OfferingFields
from app.progress import orders
from tests import databases
from tests.remembering import remembered


def settings_for(db: Database) -> Settings:
    """Return test settings whose files go to a fresh directory."""
    directory = Path(tempfile.mkdtemp(prefix="files-", dir=os.environ.get(databases.RUN_VARIABLE)))
    return dataclasses.replace(
        load_settings({"MILESTAKE_ENV": "test", "DATABASE_URL": db.url.render_as_string(hide_password=False)}),
        data_dir=directory / "blobs",
        mail_dir=directory / "mail",
    )


def contract_document(
    start: dt.date,
    *,
    tranches: Sequence[int] = (3000, 3000, 2500),
    closing_bp: int = 1500,
    approvals: int = 1,
    auditors: int = 1,
    currency: str = "USD/2",
    order: str = "sequential",
    on_failure: str = "wind_down",
    resubmissions: int = 1,
    relaxed: Sequence[str] = ("quorum_too_small", "tranche_over_40", "last_under_15", "half_in_60_days",
                              "parallel_tail"),
) -> dict[str, Any]:
    """Return a contract whose k-th milestone is due 60·k days after ``start`` with 60 days to its long-stop."""
    milestones = [
        _milestone_document(
            number, bp, start + dt.timedelta(days=60 * number), {"approvals": approvals, "auditors": auditors},
            on_failure, resubmissions,
        )
        for number, bp in enumerate(tranches, start=1)
    ]
    return {
        "schema": "milestake/contract/1",
        "title": "A test plan",
        "currency": currency,
        "zone": "UTC",
        "calendar": "US",
        "order": order,
        "long_stop": (start + dt.timedelta(days=60 * len(tranches) + 120)).isoformat(),
        "closing_bp": closing_bp,
        "relaxed": list(relaxed),
        "milestones": milestones,
    }


def _milestone_document(
    number: int, bp: int, target: dt.date, quorum: Mapping[str, int], on_failure: str, resubmissions: int
) -> dict[str, Any]:
    return {
        "key": f"m{number}",
        "title": f"Milestone {number}",
        "deliverable": f"Deliverable {number} is done and shown to work.",
        "tranche_bp": bp,
        "target_date": target.isoformat(),
        "long_stop": (target + dt.timedelta(days=60)).isoformat(),
        "quorum": dict(quorum),
        "on_failure": on_failure,
        "resubmissions": resubmissions,
        "criteria": [
            {
                "key": "revenue",
                "text": "Revenue of the month is at least 50,000",
                "procedure": "Inspect the bank statement and recompute the month's revenue.",
                "evidence": ["bank_statement"],
                "measure": {"quantity": "revenue", "at_least": "50000", "unit": "USD"},
                "weight_bp": 5000,
            },
            {
                "key": "works",
                "text": "The test report shows 20 of 20 runs passed",
                "procedure": "Read the report and repeat one run.",
                "evidence": ["test_report"],
                "measure": {"quantity": "passed runs", "at_least": "20", "unit": "runs"},
                "weight_bp": 5000,
            },
        ],
    }


def offering_fields(now: dt.datetime, **changes: Any) -> OfferingFields:
    """Return figures of an offering of at most 10,000.00 at 0.50 a token, open for 30 days."""
    return dataclasses.replace(
        OfferingFields(
            name="Halden Tidal", pitch="Sensors for tidal turbines.", story="We build sensors.",
            risks="We may fail.", sector="Clean energy", currency="USD/2", price_micro=500_000, minimum_minor=200_000,
            target_minor=500_000, maximum_minor=1_000_000, minimum_ticket_minor=50_000, zone="UTC",
            calendar="US", deadline_at=now + dt.timedelta(days=30),
        ),
        **changes,
    )


@dataclasses.dataclass
class Life:
    """A stage with one offering and the people around it. ``offering_id`` is its public id."""

    stage: Stage
    operator: Actor
    founder: Actor
    auditors: list[Actor]
    investors: list[Actor]
    issuer_id: str
    token_class_id: str
    offering_id: str
    commitments: list[str] = dataclasses.field(default_factory=list)


def stage_at(db: Database) -> Stage:
    """Return a stage on a database, its files in a directory of its own."""
    return Stage(db, settings_for(db))


def drafted(
    db: Database,
    *,
    investors: int = 3,
    auditors: int = 1,
    authorised: int = 1_000_000,
    existing: int = 4_000_000,
    payee_ref: str = "sbx_acct_ok",
    fields: Mapping[str, Any] | None = None,
    contract: Mapping[str, Any] | None = None,
    document: Mapping[str, Any] | None = None,
    stage: Stage | None = None,
) -> Life:
    """Return an offering in ``draft``; ``fields`` and ``contract`` change the defaults above."""
    stage = stage or stage_at(db)
    operator = stage.person("operator", "Olga Operator")
    founder, issuer_id = stage.company(stage.person("founder", "Fay Founder"), "Halden Tidal Ltd", payee_ref=payee_ref)
    code = f"T{abs(hash(stage.key())) % 10**9}-A"
    class_id = stage.token_class(founder, issuer_id, code, authorised=authorised, existing=existing)
    values = offering_fields(stage.now, **(fields or {}))
    if document is None:
        document = contract_document(values.deadline_at.date(), **{"auditors": auditors, **(contract or {})})
    offering_id = stage.draft(founder, class_id, values, document)
    return Life(
        stage=stage, operator=operator, founder=founder,
        auditors=[stage.person("auditor", f"Auditor {n}", email=f"auditor.{stage.key()}@firm{n}.example")
                  for n in range(1, auditors + 1)],
        investors=[stage.person("investor", f"Investor {n}") for n in range(1, investors + 1)],
        issuer_id=issuer_id, token_class_id=class_id, offering_id=offering_id,
    )


@remembered(stage_at)
def live(db: Database, *, fee_bp: int | None = None, **options: Any) -> Life:
    """Return an offering open for commitments; ``fee_bp`` is agreed at the review where it is not the usual one."""
    life = drafted(db, **options)
    stage = life.stage
    if fee_bp is None:
        stage.launch(life.offering_id, life.founder, life.operator, life.auditors)
        return life
    stage.submit_offering(life.offering_id, life.founder)
    db.unit_of_work(
        lambda session: fees.agree(
            session, actor=life.operator, offering_id=life.offering_id, fee_bp=fee_bp, reason="A small raise.",
            now=stage.now,
        )
    )
    stage.appoint(life.offering_id, life.operator, life.auditors)
    stage.open_offering(life.offering_id, life.founder, life.operator)
    return life


@remembered(stage_at)
def active(db: Database, *, amounts: Sequence[int] = (100_001, 150_000, 133_333), **options: Any) -> Life:
    """Return a closed offering whose contract runs; each amount is one investor's, paid in full."""
    life = live(db, investors=len(amounts), **options)
    for investor, amount in zip(life.investors, amounts, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    life.stage.close(life.offering_id)
    return life


def reviewed(life: Life, ordinal: int, result: str = "met") -> str:
    """Submit a milestone and let every auditor sign ``result``; return the submission's id."""
    milestone = life.stage.milestone(life.offering_id, ordinal)
    submission = life.stage.submit_evidence(life.founder, milestone.public_id)
    for auditor in life.auditors:
        life.stage.attest(auditor, submission, result)
    return submission


def released(life: Life, ordinal: int) -> None:
    """Bring a milestone from open to released."""
    reviewed(life, ordinal)
    life.stage.work()  # the window runs from the delivery of the verdict
    milestone = life.stage.milestone(life.offering_id, ordinal)
    assert milestone.deadline_at is not None
    life.stage.advance_to(milestone.deadline_at)


def ordered_down(life: Life, *, reason: str = "The company was dissolved.") -> None:
    """Let one operator order the wind-down and another confirm it."""
    stage = life.stage
    order_id = stage.db.unit_of_work(
        lambda session: orders.propose(
            session, actor=life.operator, offering_id=life.offering_id, reason=reason, key=stage.key(), now=stage.now
        ).public_id
    )
    second = stage.person("operator", "Otto Second")
    stage.db.unit_of_work(
        lambda session: orders.confirm(session, actor=second, order_id=order_id, now=stage.now)
    )
    stage.work()


def let_time_pass(stage: Stage, instant: dt.datetime) -> None:
    """Move the clock to a day after ``instant`` without any worker acting."""
    seconds = ((instant - stage.now).days + 1) * 86_400
    stage.db.unit_of_work(lambda session: clock.advance(session, seconds=seconds, allowed=True))


def long_running(db: Database, **options: Any) -> Life:
    """Return a running plan whose one milestone is due in two years and whose founder does not report by themselves."""
    stage = Stage(db, settings_for(db))
    start = stage.now.date() + dt.timedelta(days=30)
    document = contract_document(start, tranches=(8500,))
    document["milestones"][0]["target_date"] = (start + dt.timedelta(days=700)).isoformat()
    document["milestones"][0]["long_stop"] = document["long_stop"] = (start + dt.timedelta(days=900)).isoformat()
    life = active(db, document=document, stage=stage, **options)
    stage.founders_report = False
    return life
