"""Handing evidence in, and who may see it (MIL-6, PPL-1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BytesIO

import pytest
import sqlalchemy as sa

from app.progress.models import Evidence, Submission
from tests.factories.life import Life
from tests.functional.visitor import Visitor

STATEMENT = "The statement shows revenue of 61,200; the report shows 20 of 20."
AsActor = Callable[..., Visitor]


def milestone_id(life: Life, ordinal: int = 1) -> str:
    return life.stage.milestone(life.offering_id, ordinal).public_id


def upload(visitor: Visitor, address: str, kind: str, name: str, content: bytes) -> None:
    visitor.open(f"{address}/submit")
    visitor.send("/submit/files", files={"file": (BytesIO(content), name)}, kind=kind)


def rows(life: Life, model: type) -> list:
    with life.stage.db.read() as session:
        return list(session.scalars(sa.select(model).order_by(model.id)))


def hand_in(visitor: Visitor, address: str) -> None:
    upload(visitor, address, "bank_statement", "bank.txt", b"revenue 61200\n")
    upload(visitor, address, "test_report", "report.pdf", b"%PDF-1.7 20 of 20\n")
    visitor.open(f"{address}/submit/statement")
    visitor.send(statement=STATEMENT, confirmed="y")
    visitor.send("/submit/send")


def test_mil_6_a_founder_uploads_checks_and_submits(life: Life, as_: AsActor) -> None:
    founder, address = as_(life.founder), f"/milestones/{milestone_id(life)}"
    page = founder.open(f"{address}/submit")
    assert "Next: you must submit evidence by" in page.text
    assert "Bank statement Test report" in page.text
    assert rows(life, Submission) == []  # GET never writes
    upload(founder, address, "bank_statement", "..\\C:/my/Bank March.txt", b"revenue 61200\n")
    assert "“Bank March.txt” is in the draft." in founder.page.text
    upload(founder, address, "test_report", "report.pdf", b"%PDF-1.7 20 of 20\n")
    page = founder.open(f"{address}/submit/statement")
    page = founder.send(statement="", confirmed="y")
    assert page.errors == ["Describe what was done, in words an auditor can check."]
    page = founder.send(statement=STATEMENT, confirmed="y")
    assert page.title == "Check your submission"
    assert rows(life, Submission)[0].status == "draft"
    page = founder.send("/submit/send")
    assert page.title == "Your evidence was received"
    assert "earliest date of the next cent" in page.text
    (submission,) = rows(life, Submission)
    assert (submission.status, submission.statement) == ("received", STATEMENT)
    assert submission.public_id in page.text
    assert submission.manifest_hash in page.source
    files = rows(life, Evidence)
    assert [(each.filename, each.media_type, each.size_bytes) for each in files] == [
        ("Bank March.txt", "text/plain", 14), ("report.pdf", "application/pdf", 18),
    ]
    assert files[0].sha256 == hashlib.sha256(b"revenue 61200\n").hexdigest()


@pytest.mark.databases("sqlite")
def test_mil_6_sending_twice_submits_once(life: Life, as_: AsActor) -> None:
    founder, address = as_(life.founder), f"/milestones/{milestone_id(life)}"
    upload(founder, address, "bank_statement", "bank.txt", b"revenue 61200\n")
    upload(founder, address, "test_report", "report.txt", b"20 of 20\n")
    founder.open(f"{address}/submit/statement")
    founder.send(statement=STATEMENT, confirmed="y")
    values = founder.page.form_to("/submit/send").values
    for _time in range(2):
        assert founder.post(f"{address}/submit/send", values).title == "Your evidence was received"
    assert len(rows(life, Submission)) == 1


@pytest.mark.databases("sqlite")
def test_mil_6_a_file_that_is_not_evidence_is_refused(life: Life, as_: AsActor) -> None:
    founder = as_(life.founder)
    wrong_content = "The content of this file is not what its ending says. Save it again in the right format."
    for name, content, words in [
        ("run.exe", b"MZ", "Choose a file that ends in one of: pdf, png, jpg, jpeg, txt, csv, json, zip."),
        ("scan.pdf", b"<html>", wrong_content),
        ("data.csv", b"\xff\xfe\x00", wrong_content),
        ("empty.txt", b"", "This file is empty. Choose the file again."),
        ("big.txt", b"x" * (20 * 1024 * 1024 + 1),
         "This file has 20.9 MB; the most is 20 MB. Split it or save it smaller."),
        ("", b"x", "Choose a file."),
    ]:
        upload(founder, f"/milestones/{milestone_id(life)}", "bank_statement", name, content)
        assert (founder.status, founder.page.errors) == (422, [words])
        assert rows(life, Evidence) == rows(life, Submission) == []


@pytest.mark.databases("sqlite")
def test_mil_6_a_request_above_the_limit_is_answered_plainly(life: Life, as_: AsActor) -> None:
    founder = as_(life.founder)
    upload(founder, f"/milestones/{milestone_id(life)}", "bank_statement", "a.txt", b"x" * 27_000_000)
    assert founder.status == 413
    assert rows(life, Evidence) == []


@pytest.mark.databases("sqlite")
def test_mil_6_an_unasked_kind_and_a_missing_kind_are_refused(life: Life, as_: AsActor) -> None:
    founder, address = as_(life.founder), f"/milestones/{milestone_id(life)}"
    upload(founder, address, "photograph", "a.txt", b"x")
    assert founder.page.errors == ["Choose one of the kinds that the contract asks for."]
    upload(founder, address, "bank_statement", "a.txt", b"x")
    founder.open(f"{address}/submit/statement")
    founder.send(statement=STATEMENT, confirmed="y")
    page = founder.send("/submit/send")
    assert founder.status == 422
    assert page.errors == ["“The test report shows 20 of 20 runs passed” still needs: test_report."]
    assert rows(life, Submission)[0].status == "draft"
    assert life.stage.milestone(life.offering_id, 1).state == "open"


def test_ppl_1_submitting_asks_for_a_code_on_the_page_and_loses_nothing(life: Life, as_: AsActor) -> None:
    founder, address = as_(life.founder), f"/milestones/{milestone_id(life)}"
    founder.set_up_second_factor()
    upload(founder, address, "bank_statement", "a.txt", b"x")
    upload(founder, address, "test_report", "b.txt", b"y")
    with founder.client.session_transaction() as cookie:
        del cookie["second_factor_at"]
    founder.open(f"{address}/submit/statement")
    founder.send(statement=STATEMENT, confirmed="y")
    page = founder.send("/submit/send", code="000000")
    assert page.errors == [
        "This code is not right, or it was used already. Wait for the next one and type its six digits."
    ]
    assert STATEMENT in page.text
    assert rows(life, Submission)[0].status == "draft"
    founder.send("/submit/send", code=founder.code(step=1))
    assert founder.page.title == "Your evidence was received"


def test_mil_6_a_draft_can_be_set_aside_and_its_files_stay(life: Life, as_: AsActor) -> None:
    founder, address = as_(life.founder), f"/milestones/{milestone_id(life)}"
    upload(founder, address, "bank_statement", "a.txt", b"x")
    founder.open(f"{address}/submit")
    founder.send("/submit/discard")
    assert "No files yet." in founder.page.text
    assert [each.status for each in rows(life, Submission)] == ["discarded"]
    assert len(rows(life, Evidence)) == 1


# -- who may see it ---------------------------------------------------------------------------------


def test_mil_6_evidence_is_served_shut_in_to_those_involved_only(life: Life, as_: AsActor) -> None:
    founder = as_(life.founder)
    hand_in(founder, f"/milestones/{milestone_id(life)}")
    text, pdf = (f"/evidence/{each.public_id}" for each in rows(life, Evidence))
    supervisor = life.stage.person("supervisor", "Sam Supervisor")
    for actor in (life.founder, *life.auditors, life.operator, supervisor, *life.investors):
        visitor = as_(actor)
        visitor.open(text)
        assert visitor.status == 200, actor.name
        assert visitor.answer.data == b"revenue 61200\n"
    headers = visitor.answer.headers
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'; frame-ancestors 'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Disposition"] == "inline; filename=bank.txt"
    assert headers["ETag"] == f'"{hashlib.sha256(visitor.answer.data).hexdigest()}"'
    assert headers["Cache-Control"] == "private, no-cache"
    again = visitor.client.get(text, headers={"If-None-Match": headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    visitor.open(pdf)
    assert visitor.answer.headers["Content-Disposition"] == "attachment; filename=report.pdf"
    for actor in (life.stage.person("investor", "Ivy Elsewhere"), life.stage.person("auditor", "Ann Elsewhere"),
                  life.stage.person("founder", "Fred Elsewhere")):
        outsider = as_(actor)
        for address in (text, f"/milestones/{milestone_id(life)}"):
            outsider.open(address)
            assert outsider.status == 404


@pytest.mark.databases("sqlite")
def test_mil_6_a_draft_is_its_companys_alone(life: Life, as_: AsActor) -> None:
    founder, address = as_(life.founder), f"/milestones/{milestone_id(life)}"
    upload(founder, address, "bank_statement", "secret.txt", b"x")
    file = f"/evidence/{rows(life, Evidence)[0].public_id}"
    founder.open(file)
    assert founder.status == 200
    for actor in (*life.auditors, life.operator, *life.investors):
        visitor = as_(actor)
        visitor.open(file)
        assert visitor.status == 404
        assert "secret.txt" not in visitor.open(address).source
    other = as_(life.stage.person("founder", "Fred Elsewhere"))
    other.open(f"{address}/submit")
    assert other.status == 404


@pytest.mark.databases("sqlite")
def test_a_milestone_page_says_what_is_next_and_what_stopping_means(life: Life, as_: AsActor) -> None:
    page = as_(life.investors[0]).open(f"/milestones/{milestone_id(life)}")
    assert "Next: the founder must submit evidence by" in page.text
    assert "If it stopped today" in page.text
    assert "Back to investors" in page.text
