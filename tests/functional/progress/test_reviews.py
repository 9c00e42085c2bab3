"""Reviewing and signing evidence (MIL-7, MIL-8, MIL-9), and verifying what was signed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app.contracts.models import Appointment
from app.progress.models import Attestation, Submission
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.visitor import Visitor

AsActor = Callable[..., Visitor]


@pytest.fixture
def submission(life: Life) -> str:
    milestone = life.stage.milestone(life.offering_id, 1)
    return life.stage.submit_evidence(life.founder, milestone.public_id, statement="Revenue was 61,200.")


def attestations(life: Life) -> list[Attestation]:
    with life.stage.db.read() as session:
        return list(session.scalars(sa.select(Attestation).order_by(Attestation.id)))


def review(visitor: Visitor, submission: str, result: str, **typed: str) -> None:
    """Fill in the checklist and come to the page that is signed."""
    visitor.open(f"/auditor/submissions/{submission}")
    visitor.send(**{"result_0": result, "result_1": result, "share_0": "40", "note_0": "Recomputed.", **typed})


def test_mil_7_an_auditor_reviews_signs_and_gets_a_receipt(life: Life, as_: AsActor, submission: str) -> None:
    first, second = (as_(each) for each in life.auditors)
    page = first.open("/auditor")
    assert "At stake $1,149.90" in page.text  # 30 % of what cleared
    page = first.open(f"/auditor/submissions/{submission}")
    assert "Revenue was 61,200." in page.text
    assert "sandbox" in page.source
    review(first, submission, "met")
    assert first.page.title == "Check, then sign"
    assert "Yours would be number 1 of 2; 2 that find everything met are needed for $1,149.90." in first.page.text
    assert attestations(life) == []  # checking stores nothing
    page = first.send("/auditor/submissions")
    assert page.title == "Your findings are signed"
    (signed,) = attestations(life)
    for digest in (signed.content_hash, signed.contract_hash, signed.manifest_hash):
        assert digest in page.source
    assert "Unchanged since it was signed" in page.text
    review(second, submission, "met", note_0="Second look.")
    page = second.send("/auditor/submissions")
    assert life.auditors[0].name in page.text
    assert life.stage.milestone(life.offering_id, 1).state == "challengeable"


def test_mil_7_others_findings_are_hidden_until_own_are_signed(life: Life, as_: AsActor, submission: str) -> None:
    life.stage.attest(life.auditors[0], submission, "not_met", note="The bank statement is of another company.")
    second = as_(life.auditors[1])
    for page in (second.open("/auditor"), second.open(f"/auditor/submissions/{submission}")):
        assert "another company" not in page.source
    review(second, submission, "met")
    assert "another company" not in second.page.source
    second.send("/auditor/submissions")
    assert "another company" in second.page.text
    founder = as_(life.founder).open(f"/milestones/{life.stage.milestone(life.offering_id, 1).public_id}")
    assert "another company" in founder.text


@pytest.mark.databases("sqlite")
def test_mil_7_before_the_verdict_the_founder_sees_no_finding(life: Life, as_: AsActor, submission: str) -> None:
    life.stage.attest(life.auditors[0], submission, "met", note="Looks right to me.")
    page = as_(life.founder).open(f"/milestones/{life.stage.milestone(life.offering_id, 1).public_id}")
    assert "1 of 2 auditors have signed." in page.text
    assert "Looks right to me." not in page.source


@pytest.mark.databases("sqlite")
def test_mil_7_partly_carries_its_share_and_every_criterion_is_answered(
    life: Life, as_: AsActor, submission: str
) -> None:
    auditor = as_(life.auditors[0])
    auditor.open(f"/auditor/submissions/{submission}")
    page = auditor.send(result_0="met")
    assert (auditor.status, page.errors) == (422, ["Choose a finding for criterion 2."])
    review(auditor, submission, "partly", share_1="70")
    assert "does not count toward the 2 that are needed for $1,149.90" in auditor.page.text
    auditor.send("/auditor/submissions")
    assert '"result": "partly", "share_pct": "40"' in attestations(life)[0].findings
    assert '"share_pct": "70"' in attestations(life)[0].findings


@pytest.mark.databases("sqlite")
def test_mil_7_a_share_that_does_not_exist_is_refused(life: Life, as_: AsActor, submission: str) -> None:
    auditor = as_(life.auditors[0])
    for share in ("35", "100", "abc", ""):
        review(auditor, submission, "partly", share_0=share)
        assert auditor.status == 422
        assert auditor.page.errors == ["Partly is 10 to 90 percent in steps of 10, met is 100, the others are 0."]
    assert attestations(life) == []


def test_com_8_signing_twice_signs_once(life: Life, as_: AsActor, submission: str) -> None:
    auditor = as_(life.auditors[0])
    review(auditor, submission, "met")
    values = auditor.page.form_to("/auditor/submissions").values
    for _time in range(2):
        assert auditor.post(f"/auditor/submissions/{submission}/sign", values).title == "Your findings are signed"
    assert len(attestations(life)) == 1


def test_ppl_1_signing_asks_for_a_code_beside_the_text(life: Life, as_: AsActor, submission: str) -> None:
    auditor = as_(life.auditors[0])
    auditor.set_up_second_factor()
    with auditor.client.session_transaction() as cookie:
        del cookie["second_factor_at"]
    review(auditor, submission, "met")
    page = auditor.send("/auditor/submissions")
    assert page.errors == ["Enter the code that your authenticator app shows."]
    assert attestations(life) == []
    assert "Recomputed." in page.text
    auditor.send("/auditor/submissions", code=auditor.code(step=1))
    assert auditor.page.title == "Your findings are signed"
    assert len(attestations(life)) == 1


@pytest.mark.databases("sqlite")
def test_mil_9_a_review_that_nobody_finished_is_shown_as_ended(life: Life, as_: AsActor, submission: str) -> None:
    for _limit in range(2):
        life.stage.advance_to(life.stage.milestone(life.offering_id, 1).deadline_at)
    milestone = life.stage.milestone(life.offering_id, 1)
    assert milestone.state == "open"
    page = as_(life.investors[0]).open(f"/milestones/{milestone.public_id}")
    assert "Ended without a verdict" in page.text
    assert "Too few auditors signed in time" in page.text
    page = as_(life.auditors[0]).open(f"/auditor/submissions/{submission}")
    assert "The review of this submission is over" in page.text


@pytest.mark.databases("sqlite")
def test_mil_8_who_is_not_on_the_panel_finds_nothing(life: Life, as_: AsActor, submission: str) -> None:
    life.stage.attest(life.auditors[0], submission, "met")
    outsider = as_(life.stage.person("auditor", "Ann Elsewhere"))
    for address in (f"/auditor/submissions/{submission}", f"/auditor/attestations/{attestations(life)[0].public_id}"):
        outsider.open(address)
        assert outsider.status == 404
    other = as_(life.auditors[1])
    other.open(f"/auditor/attestations/{attestations(life)[0].public_id}")
    assert other.status == 404
    as_(life.founder).open("/auditor")


def test_mil_9_an_auditor_answers_an_appointment(db, as_: AsActor, life: Life) -> None:
    waiting = lives.drafted(db, stage=life.stage, auditors=2, contract={"approvals": 2, "auditors": 2})
    life.stage.submit_offering(waiting.offering_id, waiting.founder)
    life.stage.appoint(waiting.offering_id, waiting.operator, waiting.auditors, accept=False)
    auditor = as_(waiting.auditors[0])
    page = auditor.open("/auditor")
    assert "Appointments to answer" in page.text
    own = Appointment.party_id.in_(waiting.auditors[0].parties("auditor"))
    with db.read() as session:
        first = session.scalars(
            sa.select(Appointment).where(Appointment.state == "appointed", own).order_by(Appointment.id)
        ).first()
    address = f"/auditor/appointments/{first.public_id}"
    page = auditor.open(address)
    assert "Next: you must accept or decline by" in page.text
    assert auditor.send().errors == ["Choose whether you accept."]
    auditor.send(answer="accept")
    with db.read() as session:
        assert session.get(Appointment, first.id).state == "accepted"
    auditor.open(address)
    other = as_(waiting.auditors[1])
    other.open(address)
    assert other.status == 404


# -- verify -----------------------------------------------------------------------------------------


def test_anybody_can_verify_terms_submissions_attestations_and_releases(
    life: Life, as_: AsActor, submission: str, pages
) -> None:
    for auditor in life.auditors:
        life.stage.attest(auditor, submission, "met")
    deadline = life.stage.milestone(life.offering_id, 1).deadline_at
    life.stage.advance_to(deadline)
    everybody = Visitor(pages)
    with life.stage.db.read() as session:
        ids = [
            session.scalar(sa.text(f"SELECT public_id FROM {table} ORDER BY id DESC LIMIT 1"))
            for table in ("terms_version", "submission", "attestation", "release")
        ]
        digest = session.scalar(sa.select(Submission.manifest_hash))
    for each in (*ids, digest):
        page = everybody.open(f"/verify?id={each}")
        assert everybody.status == 200
        assert "The fingerprint recomputed now from the record equals the one" in page.text
        assert "What it does not prove" in page.text
    everybody.open("/verify?id=att_0000")
    assert everybody.status == 404
    assert everybody.open("/verify").title == "Verify a record"


@pytest.mark.databases("sqlite")
@pytest.mark.tampers
def test_verify_says_when_a_record_was_altered(life: Life, submission: str, pages) -> None:
    with life.stage.db.read() as session:
        session.rollback()
    life.stage.db.unit_of_work(lambda session: session.execute(
        sa.text("UPDATE submission SET number = 2, contract_hash = 'x' WHERE public_id = :id"), {"id": submission}))
    page = Visitor(pages).open(f"/verify?id={submission}")
    assert "The record no longer gives the fingerprint that was published with it." in page.text
