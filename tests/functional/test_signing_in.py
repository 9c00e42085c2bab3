"""Signing up and in, the second factor, and who may open what (PPL-1, PPL-2)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts import invitations, passwords, queries
from app.accounts.models import Membership, User
from app.audit.models import LogEntry
from app.clock import system_now
from app.db import Database
from tests.functional.visitor import Visitor

PASSWORD = "correct horse battery"


def count(db: Database, model: type) -> int:
    with db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(model))


def test_a_person_signs_up_out_and_in(visitor: Visitor, db: Database) -> None:
    page = visitor.sign_up(role="investor", email="Ines@Example.com ", name="  Ines   Ott ")
    assert visitor.status == 200
    assert page.title == "Ines Ott"
    assert "Investor for Ines Ott" in page.text
    page = visitor.sign_out()
    assert page.title == "Sign in"
    visitor.open("/account")
    assert visitor.path.startswith("/sign-in?next=")
    page = visitor.send(email="INES@example.com", password=PASSWORD)
    assert visitor.path == "/account"
    with db.read() as session:
        user = queries.user_by_email(session, "ines@example.com")
        assert user.name == "Ines Ott"
        assert user.password_hash.startswith("$argon2id$")
        actions = session.scalars(sa.select(LogEntry.action).order_by(LogEntry.id)).all()
    assert actions == ["user.signed_up", "membership.added"]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"password": "short"}, "Choose a password of at least 12 characters. A few words in a row work well."),
        ({"password": "x" * 201}, "Choose a password of at most 200 characters."),
        ({"password": "ines.ott@example.com"}, "Choose a password that is not your mail address."),
        ({"email": "ines"}, "Enter a mail address like name@example.com."),
        ({"name": " "}, "Enter your name."),
        ({"role": None}, "Choose what you come to do."),
        ({"role": "operator"}, "Choose investor, founder or auditor. Operators and supervisors are invited."),
    ],
)
def test_ppl_1_signing_up_says_what_to_do_and_keeps_what_was_typed(
    visitor: Visitor, db: Database, typed: dict[str, str | None], words: str
) -> None:
    values = {"role": "investor", "name": "Ines Ott", "email": "ines.ott@example.com", "password": PASSWORD}
    visitor.open("/sign-up")
    page = visitor.send(**(values | typed))
    assert visitor.status == 422
    assert page.errors == [words]
    assert "<title>Error:" in page.source
    if "name" not in typed:
        assert page.form_to().value("name") == "Ines Ott"
    assert page.form_to().value("password") == ""
    assert count(db, User) == 0
    assert count(db, LogEntry) == 0


def test_an_address_has_one_account(visitor: Visitor, new_visitor, db: Database) -> None:
    visitor.sign_up(role="investor", email="ines@example.com", name="Ines")
    page = new_visitor().sign_up(role="founder", email="INES@example.com", name="Other")
    assert page.errors == ["There is an account with this mail address already. Sign in, or use another address."]
    assert count(db, User) == 1


def test_ppl_1_sign_in_never_tells_which_part_was_wrong(visitor: Visitor, new_visitor) -> None:
    visitor.sign_up(role="investor", email="ines@example.com", name="Ines")
    wrong = new_visitor().sign_in("ines@example.com", "wrong horse battery")
    unknown = new_visitor().sign_in("nobody@example.com", PASSWORD)
    assert wrong.errors == unknown.errors
    assert wrong.errors == ["The mail address and the password do not belong together. Try again."]


@pytest.mark.databases("sqlite")
def test_ppl_1_an_unknown_address_costs_the_same_work(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    matches = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda *a: checked.append(a[0]) or matches(*a))
    visitor.sign_in("nobody@example.com", PASSWORD)
    assert len(checked) == 1
    assert checked[0].startswith("$argon2id$")


def test_sign_in_is_limited_to_five_wrong_tries(visitor: Visitor, new_visitor) -> None:
    visitor.sign_up(role="investor", email="ines@example.com", name="Ines")
    other = new_visitor()
    for _ in range(5):
        other.sign_in("ines@example.com", "wrong horse battery")
        assert other.status == 422
    page = other.sign_in("ines@example.com", PASSWORD)
    assert other.status == 429
    assert page.errors == ["There were too many attempts. Wait 15 minutes, then try again."]
    elsewhere = new_visitor(address="192.0.2.7")
    elsewhere.sign_in("ines@example.com", PASSWORD)
    assert elsewhere.status == 200  # somebody else's guesses do not lock the owner out


@pytest.mark.databases("sqlite")
def test_right_sign_ins_are_not_counted(visitor: Visitor, new_visitor) -> None:
    visitor.sign_up(role="investor", email="ines@example.com", name="Ines")
    for _ in range(35):
        other = new_visitor()
        other.sign_in("ines@example.com", PASSWORD)
        assert other.status == 200


def test_changing_the_password_signs_out_every_other_device(visitor: Visitor, new_visitor) -> None:
    visitor.sign_up(role="investor", email="ines@example.com", name="Ines")
    other = new_visitor()
    other.sign_in("ines@example.com", PASSWORD)
    visitor.open("/account/password")
    page = visitor.send(current="not my password", new="another horse battery")
    assert page.errors == ["This is not your present password. Type it again."]
    assert other.open("/account").title == "Ines"
    visitor.send(current=PASSWORD, new="another horse battery")
    assert visitor.path == "/account"
    other.open("/account")
    assert other.path.startswith("/sign-in")
    other.sign_in("ines@example.com", "another horse battery")
    assert other.status == 200


def test_ppl_1_second_factor_is_set_up_asked_for_and_never_taken_twice(visitor: Visitor, new_visitor) -> None:
    visitor.sign_up(role="founder", email="fay@example.com", name="Fay")
    visitor.set_up_second_factor()
    assert visitor.page.title == "Keep your recovery codes"
    recovery = [text for text in visitor.page.text.split() if text.count("-") == 3 and len(text) == 19]
    assert len(recovery) == 10
    used = visitor.code()
    other = new_visitor()
    other.secret = visitor.secret
    other.sign_in("fay@example.com", PASSWORD)
    other.open("/account/second-factor?next=/account/roles")
    other.send(code=used)
    assert other.page.errors == [
        "This code is not right, or it was used already. Wait for the next one and type its six digits."
    ]
    other.send(code="12345６")
    assert other.status == 422
    other.send(code=recovery[0].upper())
    assert other.path == "/account/roles"
    again = new_visitor()
    again.sign_in("fay@example.com", PASSWORD)
    again.open("/account/second-factor")
    again.send(code=recovery[0])
    assert again.status == 422
    again.send(code=visitor.code(step=1))
    assert again.path == "/account"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "/a\nb"]
)
def test_signing_in_leads_nowhere_else(visitor: Visitor, new_visitor, target: str) -> None:
    visitor.sign_up(role="investor", email="ines@example.com", name="Ines")
    other = new_visitor()
    other.client.get("/sign-in")
    other.open("/sign-in")
    page = other.page.form_to()
    answer = other.client.post(
        "/sign-in",
        query_string={"next": target},
        data=dict(page.values) | {"email": "ines@example.com", "password": PASSWORD},
    )
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/")
    assert "evil" not in answer.headers["Location"]
    assert "javascript" not in answer.headers["Location"]


def test_the_first_operator_comes_with_a_setup_token_once(visitor: Visitor, new_visitor, db: Database) -> None:
    token = db.unit_of_work(lambda session: invitations.issue_setup_token(session, now=system_now()))
    visitor.open("/setup")
    page = visitor.send(token="guess", name="Olga", email="olga@example.com", password=PASSWORD)
    assert page.errors == ["This setup token is not the present one. Print a new one with `flask setup-token`."]
    assert count(db, User) == 0
    visitor.send(token=token, name="Olga", email="olga@example.com", password=PASSWORD)
    assert "Operator for Olga" in visitor.page.text
    assert new_visitor().open("/setup").title == "There is no page here" or new_visitor().status != 200
    assert db.unit_of_work(lambda session: invitations.issue_setup_token(session, now=system_now())) is None


@pytest.fixture
def operator(visitor: Visitor, db: Database) -> Visitor:
    token = db.unit_of_work(lambda session: invitations.issue_setup_token(session, now=system_now()))
    visitor.open("/setup")
    visitor.send(token=token, name="Olga", email="olga@example.com", password=PASSWORD)
    return visitor


def test_operators_decide_with_a_second_factor_only(operator: Visitor, new_visitor, db: Database) -> None:
    new_visitor().sign_up(role="auditor", email="aud@firm.example", name="Aude")
    page = operator.open("/operator/people")
    assert "Aude" in page.text
    link = next(href for href, text in page.links if text == "Aude")
    operator.open(link)
    assert operator.path.startswith("/account/second-factor/setup?next=")
    operator.set_up_second_factor()
    with db.read() as session:
        assert queries.auditors(session) == []
    operator.open(link)
    operator.send("/approve")
    assert "Aude can now be appointed as an auditor." in operator.page.text
    with db.read() as session:
        assert [(row.name, row.mail_domain) for row in queries.auditors(session)] == [("Aude", "firm.example")]


def test_an_auditor_is_refused_with_a_reason(operator: Visitor, new_visitor, db: Database) -> None:
    new_visitor().sign_up(role="auditor", email="aud@firm.example", name="Aude")
    operator.set_up_second_factor()
    operator.open("/operator/people")
    operator.open(next(href for href, text in operator.page.links if text == "Aude"))
    page = operator.send("/refuse", reason=" ")
    assert page.errors == ["Give a reason. It is kept in the log."]
    operator.send("/refuse", reason="Not registered with the chamber.")
    assert "Nobody waits." in operator.page.text
    with db.read() as session:
        assert queries.auditors(session) == []
        reasons = session.scalars(sa.select(LogEntry.reason).where(LogEntry.action == "membership.refused")).all()
    assert reasons == ["Not registered with the chamber."]


def test_a_supervisor_comes_by_invitation_once(operator: Visitor, new_visitor) -> None:
    operator.set_up_second_factor()
    operator.open("/operator/people/invite")
    page = operator.send(role="supervisor", email="sue@authority.example")
    address = page.source.split("data-invitation>")[1].split("<")[0]
    path = address.removeprefix("http://localhost")
    guest = new_visitor()
    guest.open(path)
    guest.send(name="Sue", password=PASSWORD)
    assert "Supervisor for Sue" in guest.page.text
    late = new_visitor()
    late.open(path)
    assert late.status == 404
    assert "This invitation was used already or has run out." in late.page.text


def test_ppl_2_operators_take_no_other_role(operator: Visitor, db: Database) -> None:
    before = count(db, Membership), count(db, LogEntry)
    operator.open("/account/roles")
    page = operator.send(role="investor")
    assert page.errors == [
        "Operators and supervisors stay apart from everybody who raises, invests or audits. "
        "Use another account, with its own mail address, for this role."
    ]
    assert (count(db, Membership), count(db, LogEntry)) == before


def test_an_investor_becomes_a_founder_too(visitor: Visitor) -> None:
    visitor.sign_up(role="investor", email="ines@example.com", name="Ines")
    visitor.open("/account/roles")
    visitor.send(role="founder")
    assert "Investor for Ines" in visitor.page.text
    assert "Founder for Ines" in visitor.page.text


@pytest.mark.databases("sqlite")
def test_pages_of_operators_are_closed_to_others(visitor: Visitor) -> None:
    visitor.sign_up(role="investor", email="ines@example.com", name="Ines")
    for path in ("/operator/people", "/operator/people/invite", "/operator/people/usr_x"):
        page = visitor.open(path)
        assert visitor.status == 403
        assert page.title == "You cannot open this page"


def test_a_locked_account_is_out_at_once(operator: Visitor, new_visitor, db: Database) -> None:
    ines = new_visitor()
    ines.sign_up(role="investor", email="ines@example.com", name="Ines")
    operator.set_up_second_factor()
    operator.open("/operator/people")
    operator.open(next(href for href, text in operator.page.links if text == "Ines"))
    operator.send("/lock", reason="Reported as stolen.")
    assert "This account is locked." in operator.page.text
    ines.open("/account")
    assert ines.path.startswith("/sign-in")
    ines.sign_in("ines@example.com", PASSWORD)
    assert ines.status == 422
    operator.send("/unlock", reason="Owner proved who she is.")
    ines.sign_in("ines@example.com", PASSWORD)
    assert ines.status == 200


@pytest.mark.databases("sqlite")
def test_a_form_without_its_token_is_refused(site: Flask, db: Database) -> None:
    visitor = Visitor(site)
    visitor.post("/sign-up", {"role": "investor", "name": "Ines", "email": "ines@example.com", "password": PASSWORD})
    assert visitor.status == 400
    assert "This page was open for too long" in visitor.page.text
    assert count(db, User) == 0


@pytest.mark.databases("sqlite")
def test_every_answer_carries_the_policy(visitor: Visitor) -> None:
    visitor.open("/sign-in")
    headers = visitor.answer.headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.databases("sqlite")
def test_a_view_without_a_rule_is_refused(site: Flask) -> None:
    site.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    visitor = Visitor(site)
    visitor.open("/forgotten")
    assert visitor.status == 403
    assert "secret" not in visitor.page.source


@pytest.mark.databases("sqlite")
def test_a_request_that_is_too_large_is_answered_in_words(site: Flask, visitor: Visitor) -> None:
    visitor.open("/sign-in")
    visitor.post("/sign-in", {"email": "x" * (26_214_400 + 1)})
    assert visitor.status == 413
    assert visitor.page.title


@pytest.mark.databases("sqlite")
def test_a_fault_of_ours_is_answered_with_a_reference(site: Flask) -> None:
    from app.security import public

    @public
    def broken() -> str:
        raise ZeroDivisionError("nobody sees this")

    site.add_url_rule("/broken", "broken", broken)
    visitor = Visitor(site)
    page = visitor.open("/broken")
    assert visitor.status == 500
    assert "nobody sees this" not in page.source
    assert visitor.answer.headers["X-Request-ID"] in page.text


def test_the_command_prints_a_setup_token_until_there_is_an_operator(site: Flask, db: Database) -> None:
    runner = site.test_cli_runner()
    printed = runner.invoke(args=["setup-token"])
    assert printed.exit_code == 0
    visitor = Visitor(site)
    visitor.open("/setup")
    visitor.send(token=printed.output.split()[-1], name="Olga", email="olga@example.com", password=PASSWORD)
    assert "Operator for Olga" in visitor.page.text
    assert runner.invoke(args=["setup-token"]).exit_code == 1
