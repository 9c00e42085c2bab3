"""The demo: every state a visitor should see, people to sign in as, and books that are whole (the ``db`` fixture)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from app import create_app
from app.accounts.models import User
from app.closing.models import EarlyClose
from app.commitments.models import Commitment, Refund
from app.commitments.waiting_models import WaitingEntry
from app.config import Settings
from app.contracts.models import Appointment, Milestone
from app.db import Database, Session
from app.demo import catalogue, loading
from app.errors import Refused
from app.offerings.models import Offering
from app.outbox.models import JobFailure
from app.payments.reversal_models import IssuerClaim, Reversal
from app.progress.dispute_models import Challenge, DisputeSeat
from app.progress.halt_models import Poll
from app.progress.lateness_models import Extension, Report
from app.progress.models import Attestation, Submission
from tests.factories import demo
from tests.functional.visitor import Visitor


@pytest.mark.databases("sqlite")  # where the demo is served; the lives on it are tested on both
def test_the_demo_shows_every_state_and_can_be_signed_in_to(db: Database, settings: Settings) -> None:
    demo.loaded(db)

    with db.read() as session:
        found = {row.name: row for row in session.scalars(sa.select(Offering))}
        assert {name: row.state for name, row in found.items()} == {
            "Loamworks Soil Laboratory": "completed",
            "Skylark Cargo Bikes": "wound_down",
            "Merrow Tidal": "active",
            "Lantern Lane Pictures": "failed",
            "Reclaim Cell": "active",
            "Gannet Rope": "active",
            "Tansy Dye Works": "active",
            "Oatfold Dairy Cooperative": "live",
            "Dotline Readers": "live",
            "Kelp & Kin Packaging": "live",
            "Cinderpath Bakery": "live",
            "Saltmarsh Glassworks": "live",
            "Northbank Tool Library": "in_review",
            "Quiet Rotor": "draft",
        }
        oatfold, dotline, kelp = (
            found[name] for name in ("Oatfold Dairy Cooperative", "Dotline Readers", "Kelp & Kin Packaging")
        )
        assert oatfold.maximum_minor * 9 < oatfold.committed_minor * 10 < oatfold.maximum_minor * 10
        assert dotline.minimum_minor <= dotline.committed_minor < dotline.maximum_minor
        assert kelp.committed_minor < kelp.minimum_minor
        assert found["Saltmarsh Glassworks"].halted_since is not None
        assert [row.state for row in session.scalars(sa.select(EarlyClose))] == ["announced"]
        assert (found["Cinderpath Bakery"].free_minor, found["Cinderpath Bakery"].offered_minor) == (0, 150_000)
        places = session.scalars(sa.select(WaitingEntry.status).order_by(WaitingEntry.position)).all()
        assert places == ["offered", "waitlisted", "waitlisted", "waitlisted"]
        _milestones_are_where_they_are_told_to_be(session, found)
        _shows_every_trouble(session)
        waiting = session.scalars(sa.select(Submission).where(Submission.status == "received")).one()
        assert session.scalar(
            sa.select(sa.func.count()).where(Attestation.submission_id == waiting.id)
        ) == 1
        statuses = set(session.scalars(sa.select(Commitment.status).distinct()))
        assert statuses == {"awaiting_payment", "clearing", "payment_failed", "held", "cancelled", "reversed"}
        assert set(session.scalars(sa.select(Refund.status).distinct())) == {"done"}
        assert session.scalars(sa.select(JobFailure.last_error)).all() == []

    said = "\n".join(loading.sign_ins(db))
    assert loading.PASSWORD in said
    assert all(person.email in said for person in loading.PEOPLE)
    _signs_in_with_the_second_factor_shown(db, settings)

    assert not loading.load(db, settings), "a second time it does nothing"
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(User)) == len(loading.PEOPLE)


def _milestones_are_where_they_are_told_to_be(session: Session, found: dict[str, Offering]) -> None:
    states = {
        name: session.scalars(
            sa.select(Milestone.state)
            .where(Milestone.offering_id == found[name].id)
            .order_by(Milestone.ordinal)
        ).all()
        for name in ("Merrow Tidal", "Reclaim Cell", "Skylark Cargo Bikes", "Gannet Rope", "Tansy Dye Works")
    }
    assert states == {
        "Merrow Tidal": ["released", "released", "submitted", "locked"],
        "Reclaim Cell": ["released", "challengeable", "locked", "locked"],
        "Skylark Cargo Bikes": ["released", "released", "failed", "lapsed"],
        "Gannet Rope": ["released", "partly_released", "locked", "locked"],
        "Tansy Dye Works": ["released", "disputed", "locked"],
    }


def _shows_every_trouble(session: Session) -> None:
    assert sorted(session.scalars(sa.select(Challenge.state))) == ["disputed", "open"]
    assert sorted(session.scalars(sa.select(DisputeSeat.state))) == ["seated", "seated", "signed"]
    assert set(session.execute(sa.select(Poll.kind, Poll.state)).tuples()) == {
        ("adverse_amendment", "open"), ("wind_down_for_cause", "open"),
    }
    assert session.scalars(sa.select(Extension.days)).all() == [20]
    assert session.scalar(sa.select(sa.func.count()).where(Milestone.is_late.is_(True))) == 1
    assert "missed" in session.scalars(sa.select(Report.state)).all()
    assert sorted(session.scalars(sa.select(Reversal.state))) == ["lost", "open"]
    claim = session.scalars(sa.select(IssuerClaim)).one()
    assert (claim.state, claim.amount_minor) == ("open", 87_500), "35 % of $2,500 were released"
    asked = session.scalar(sa.select(sa.func.count()).where(Appointment.state == "appointed"))
    assert asked == 2


def _signs_in_with_the_second_factor_shown(db: Database, settings: Settings) -> None:
    visitor = Visitor(create_app(settings, db))
    visitor.sign_in("ines@investors.example", loading.PASSWORD)
    assert visitor.status == 200
    assert "Ines Varga" in visitor.open("/account").text


@pytest.mark.databases("sqlite")
def test_the_demo_is_refused_outside_a_sandbox(db: Database, settings: Settings) -> None:
    with pytest.raises(Refused) as refused:
        loading.load(db, dataclasses.replace(settings, sandbox=False))
    assert refused.value.code == "demo_off"
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(User)) == 0


@pytest.mark.databases("sqlite")
def test_a_database_with_people_of_its_own_is_left_alone(db: Database, settings: Settings) -> None:
    Visitor(create_app(settings, db)).sign_up(role="investor", email="own@example.com", name="Own Person")
    assert not loading.load(db, settings)
    assert "no demo" in "\n".join(loading.sign_ins(db))


def test_the_invented_texts_say_that_they_are_invented() -> None:
    for venture in catalogue.ventures().values():
        assert venture["risks"].strip()
        assert venture["rights"].strip()
        words = venture["story"] + venture["risks"]
        assert "invented" in words or "projection" in words or "to follow" in words


def test_the_file_of_ventures_has_no_word_that_pages_may_not_use() -> None:
    text = Path(catalogue.VENTURES).read_text(encoding="utf-8").casefold()
    yaml.safe_load(text)
    for word in ("protected", "safe ", "guarantee", "risk-free", "vetted", "invalid"):
        assert word not in text
