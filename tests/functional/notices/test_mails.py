"""Mails of notices: to a folder or a real server, once, after the commit, in their own time (PPL-4)."""

from __future__ import annotations

import dataclasses
import email
import email.policy
import socket
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from app import clock, jobs
from app.accounts import passwords
from app.accounts.actor import Actor
from app.accounts.models import User
from app.config import Settings
from app.db import Database
from app.demo.stage import Stage
from app.notices import mail_tasks
from app.notices.models import Notice
from app.worker import run_due
from tests.factories import life as lives
from tests.functional.visitor import Visitor


class Catcher:
    """A mail server's mailbox. ``refuse`` answers for a recipient, None to take the mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse: Callable[[str], str | None] = lambda _address: None

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.refuse(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))  # type: ignore[arg-type]
        return "250 OK"


@pytest.fixture
def catcher() -> Iterator[tuple[Catcher, str]]:
    """Give a mail server on loopback and its URL."""
    mailbox = Catcher()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


@pytest.fixture
def stage(db: Database, settings: Settings) -> Stage:
    return Stage(db, settings)


@pytest.fixture
def paid(stage: Stage) -> lives.Life:
    """Give an offering that a person with a mailbox committed to; nothing of it is told yet."""
    life = lives.live(stage.db, stage=stage, investors=0)
    stage.work()
    life.investors.append(stage.person("investor", "Ines Investor", email="ines@mail.example", password_hash="a"))
    life.commitments.append(stage.invest(life.investors[0], life.offering_id, 60_000))
    return life


def by_mail(stage: Stage, url: str) -> jobs.Context:
    return dataclasses.replace(stage.context, settings=dataclasses.replace(stage.settings, smtp_url=url))


def notices(db: Database) -> list[Notice]:
    with db.read() as session:
        return list(session.scalars(
            sa.select(Notice).join(User, User.id == Notice.user_id)
            .where(User.password_hash != passwords.NO_PASSWORD).order_by(Notice.id)
        ))


def let_pauses_end(db: Database) -> None:
    db.unit_of_work(lambda session: session.execute(
        sa.update(Notice).where(Notice.mail_after.is_not(None)).values(mail_after=clock.system_now())
    ))


def test_ppl_4_mails_go_to_a_folder_where_no_server_is_named(paid: lives.Life) -> None:
    paid.stage.work()

    files = sorted(paid.stage.settings.mail_dir.glob("*.eml"))
    assert [path.name.partition("-")[2] for path in files] == ["commitment_accepted.eml", "payment_cleared.eml"]
    mail = _read(files[1])
    assert mail["Subject"] == "Paid: $600.00 is in escrow"
    assert mail["To"] == "Ines Investor <ines@mail.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")  # type: ignore[union-attr]
    assert text.startswith("Dear Ines Investor,\n")
    assert "Your $600.00 for “Halden Tidal” arrived" in " ".join(text.split())
    assert "What happens next" in text
    assert f"/commitments/{paid.commitments[0]}\n" in text
    page = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<h1" in page
    assert "Ines Investor" in page
    assert "<img" not in page


def _read(path: Path) -> EmailMessage:
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)  # type: ignore[return-value]


def test_ppl_4_mails_go_to_the_server_once(paid: lives.Life, catcher: tuple[Catcher, str]) -> None:
    mailbox, url = catcher
    context = by_mail(paid.stage, url)

    run_due(context)
    run_due(context)

    assert [mail["Subject"] for mail in mailbox.mails] == [
        "You committed $600.00: Halden Tidal", "Paid: $600.00 is in escrow",
    ]
    references = {mail["Message-ID"] for mail in mailbox.mails}
    assert references == {f"<{each.public_id}@127.0.0.1>" for each in notices(paid.stage.db)}
    assert all(each.mailed_at and each.mail_after is None for each in notices(paid.stage.db))


def test_tim_2_two_workers_mail_each_notice_once(paid: lives.Life, catcher: tuple[Catcher, str]) -> None:
    mailbox, url = catcher
    context = by_mail(paid.stage, url)
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        run_due(context)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    run_due(context)

    assert sorted(mail["Subject"] for mail in mailbox.mails) == [
        "Paid: $600.00 is in escrow", "You committed $600.00: Halden Tidal",
    ]


def test_tim_2_a_server_that_is_down_pauses_the_post_and_nothing_else(
    paid: lives.Life, catcher: tuple[Catcher, str]
) -> None:
    mailbox, url = catcher
    run_due(by_mail(paid.stage, "smtp://127.0.0.1:9"))
    waiting = notices(paid.stage.db)
    assert [each.mailed_at for each in waiting] == [None, None]
    assert all(each.mail_error and each.mail_error.startswith("the mail server:") for each in waiting)
    assert all(each.mail_after and each.mail_after > clock.system_now() for each in waiting)

    run_due(by_mail(paid.stage, url))
    assert mailbox.mails == []  # its pause runs

    let_pauses_end(paid.stage.db)
    run_due(by_mail(paid.stage, url))
    assert len(mailbox.mails) == 2
    assert all(each.mailed_at and each.mail_error is None for each in notices(paid.stage.db))


def test_tim_2_a_mailbox_that_does_not_exist_is_given_up_and_stops_nobody(
    paid: lives.Life, catcher: tuple[Catcher, str]
) -> None:
    mailbox, url = catcher
    other = paid.stage.person("investor", "Otto Other", email="otto@mail.example", password_hash="a")
    paid.stage.invest(other, paid.offering_id, 60_000)
    mailbox.refuse = lambda address: "550 no such mailbox" if address.startswith("ines") else None

    run_due(by_mail(paid.stage, url))

    assert [mail["To"] for mail in mailbox.mails] == ["Otto Other <otto@mail.example>"] * 2
    lost = [each for each in notices(paid.stage.db) if each.mail_error]
    assert len(lost) == 2
    assert all(each.mailed_at and each.mail_error == "550 no such mailbox" for each in lost)


def test_tim_2_a_mail_refused_for_now_is_tried_again(paid: lives.Life, catcher: tuple[Catcher, str]) -> None:
    mailbox, url = catcher
    mailbox.refuse = lambda _address: "451 try later"
    run_due(by_mail(paid.stage, url))
    assert all(each.mailed_at is None and each.mail_attempts == 1 for each in notices(paid.stage.db))

    mailbox.refuse = lambda _address: None
    let_pauses_end(paid.stage.db)
    run_due(by_mail(paid.stage, url))
    assert len(mailbox.mails) == 2


def test_tim_3_a_worker_killed_before_noting_leaves_the_mail_to_the_next_one(
    paid: lives.Life, catcher: tuple[Catcher, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox, url = catcher
    context = by_mail(paid.stage, url)

    class Killed(BaseException):
        pass

    def kill(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(mail_tasks, "_hand_over", kill)
        with pytest.raises(Killed):
            run_due(context)
    run_due(context)
    assert mailbox.mails == []  # the dead worker's lease runs

    let_pauses_end(paid.stage.db)
    run_due(context)
    assert len(mailbox.mails) == 2


def test_ppl_4_people_that_a_program_invented_get_no_mail(db: Database, stage: Stage) -> None:
    lives.active(db, stage=stage, amounts=[100_000, 150_000])

    assert not stage.settings.mail_dir.exists()
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).where(Notice.mailed_at.is_(None))) == 0


def test_ppl_4_optional_mails_can_be_switched_off_and_legal_ones_cannot(
    paid: lives.Life, new_visitor: Callable[..., Visitor]
) -> None:
    stage = paid.stage
    investor = _with_password(stage, paid.investors[0])
    visitor = new_visitor()
    visitor.sign_in("ines@mail.example")
    visitor.open("/notices")
    visitor.send("/mails", optional_mails=None)
    visitor.open("/notices")
    assert visitor.page.form_to("/mails").value("optional_mails") is None
    stage.invest(stage.person("investor", "Else", email="else@mail.example"), paid.offering_id, 200_000)
    stage.close(paid.offering_id)
    milestone = stage.milestone(paid.offering_id, 1)
    stage.submit_evidence(paid.founder, milestone.public_id)
    stage.work()

    with stage.db.read() as session:
        told = {each.kind for each in session.scalars(sa.select(Notice).where(Notice.user_id == investor.user_id))}
    mailed = {path.stem.partition("-")[2] for path in stage.settings.mail_dir.glob("*.eml")}
    assert told - mailed == {"submission_received"}
    assert "money_released" in mailed


def _with_password(stage: Stage, who: Actor) -> Actor:
    hashed = passwords.hash_password("correct horse battery")
    stage.db.unit_of_work(lambda session: session.execute(
        sa.update(User).where(User.id == who.user_id).values(password_hash=hashed)
    ))
    return who
