"""What auditors do beside reviewing, on pages: take back, give a seat up, say which work they take (MIL-8, MIL-15)."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from app.contracts.models import Appointment
from app.offerings import auditing
from app.offerings.models import Issuer
from app.progress.models import Attestation, AttestationWithdrawal
from tests.factories.life import Life
from tests.functional.visitor import Visitor

AsActor = Callable[..., Visitor]


def test_mil_15_an_auditor_takes_findings_back_and_everybody_reads_why(life: Life, as_: AsActor) -> None:
    milestone = life.stage.milestone(life.offering_id, 1)
    submission = life.stage.submit_evidence(life.founder, milestone.public_id)
    for auditor in life.auditors:
        life.stage.attest(auditor, submission, "met")
    with life.stage.db.read() as session:
        signed = session.scalars(sa.select(Attestation).order_by(Attestation.id)).first()
    assert signed is not None
    receipt = f"/auditor/attestations/{signed.public_id}"
    stranger = as_(life.auditors[1])
    stranger.open(f"{receipt}/withdraw")
    assert stranger.status == 404
    visitor = as_(life.auditors[0])
    assert "Was it a mistake?" in visitor.open(receipt).text
    page = visitor.open(f"{receipt}/withdraw")
    assert "the verdict is computed again" in page.text
    page = visitor.send(reason="The bank statement was of another month.")
    assert "Taken back" in page.text
    assert "Was it a mistake?" not in page.text
    assert life.stage.milestone(life.offering_id, 1).state == "submitted"
    page = as_(life.founder).open(f"/milestones/{milestone.public_id}")
    assert "1 of 2 auditors have signed." in page.text
    with life.stage.db.read() as session:
        assert session.scalars(sa.select(AttestationWithdrawal.kind)).all() == ["withdrawn"]


def test_mil_9_an_auditor_gives_a_seat_up_and_says_which_work_they_take(life: Life, as_: AsActor) -> None:
    visitor = as_(life.auditors[0])
    with life.stage.db.read() as session:
        party = life.stage.party(life.auditors[0], "auditor")
        seat = session.scalars(sa.select(Appointment).filter_by(party_id=party)).first()
        issuer = session.scalars(sa.select(Issuer)).one()
    assert seat is not None
    visitor.open("/auditor/offer")
    page = visitor.send("/auditor/offer", firm="Clear & Partners", sectors="energy\nhealth", is_willing=None)
    assert "Saved." in page.text
    page = visitor.send("/auditor/conflicts", issuer=issuer.public_id, reason="I rent an office from them.")
    assert "I rent an office from them." in page.text
    with life.stage.db.read() as session:
        profile = auditing.profile_of(session, party)
        assert profile is not None
        assert (profile.is_willing, profile.firm, profile.sectors) == (False, "Clear & Partners", "energy\nhealth")
    assert "give the seat up" in visitor.open(f"/auditor/appointments/{seat.public_id}").text
    visitor.open(f"/auditor/appointments/{seat.public_id}/recuse")
    assert "gave the seat up" in visitor.send(reason="They are my landlord.").text
    with life.stage.db.read() as session:
        assert session.get_one(Appointment, seat.id).state == "recused"
