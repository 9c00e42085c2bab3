"""The whole life of an offering in the browser, for all its people, and both bad ends; figures against the ledger."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from app import clock
from app.accounts import invitations
from app.accounts import queries as people
from app.accounts.models import User
from app.commitments.models import Commitment, EscrowStatement, Refund
from app.db import Database
from app.ledger.models import LedgerAccount
from app.offerings.models import Offering
from app.progress.models import Release
from app.register.models import RegisterEntry
from milestones import money
from tests.browser.people import PASSWORD, Person, Site, become_investor
from tests.factories import life as lives

pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]

People = Callable[..., Person]


# -- what the books say -----------------------------------------------------------------------------------


def balances(db: Database) -> dict[str, int]:
    """Return the balance of every account of the ledger by the kind of its address; one offering at a time."""
    with db.read() as session:
        found: dict[str, int] = {}
        for address, balance in session.execute(sa.select(LedgerAccount.address, LedgerAccount.balance)):
            kind = address.partition(":")[0]
            found[kind] = found.get(kind, 0) + balance
    return found


def shown(minor: int) -> str:
    return money.display_amount(minor, money.Asset.parse("USD/2"))


def statement_of(db: Database, commitment_id: str) -> EscrowStatement:
    """Return the last line of a commitment's escrow statement."""
    with db.read() as session:
        return session.scalars(
            sa.select(EscrowStatement)
            .join(Commitment, Commitment.id == EscrowStatement.commitment_id)
            .where(Commitment.public_id == commitment_id)
            .order_by(EscrowStatement.seq.desc())
        ).first()  # type: ignore[return-value]


def only(db: Database, table: type) -> object:
    with db.read() as session:
        return session.scalars(sa.select(table)).one()


# -- what people do ---------------------------------------------------------------------------------------


def set_up_site(site: Site, operator: Person) -> None:
    """Create the first operator with the setup token that the command prints."""
    token = site.db.unit_of_work(lambda session: invitations.issue_setup_token(session, now=clock.system_now()))
    assert token is not None
    operator.open("/setup")
    operator.fill(Setup_token=token, Your_name=operator.name, Mail_address="olga@site.example", Password=PASSWORD)
    operator.press("Create")
    operator.set_up_second_factor()


def approve_auditors(operator: Person, names: list[str]) -> None:
    for name in names:
        operator.open("/operator/people")
        operator.follow(name)
        operator.press("Approve")


def draft_offering(founder: Person, contract: Path, deadline: dt.date) -> str:
    """Create company, class and offering, import the contract's file, submit; return the offering's path."""
    founder.open("/founder/companies/new")
    founder.fill(Registered_name="Halden Tidal Ltd", Town_and_country="Bristol, United Kingdom",
                 What_the_company_does="Sensors for tidal turbines.")
    founder.press("Add the company")
    founder.follow("Define a token class")
    founder.fill(Name_of_the_class="Class A", Code_in_the_register="HALDEN-A", Rights_of_a_token="One vote each.",
                 Authorised_tokens="1000000", Equity_that_exists="4000000")
    founder.press("Define the class")
    founder.follow("Draft an offering")
    founder.fill(Name_of_the_offering="Halden Tidal", Minimum="2,000", Target="5,000", Maximum="10,000",
                 Price_of_one_token="0.50", Smallest_commitment="500", Last_day=deadline.isoformat(),
                 Time_of_day="17:00")
    founder.press("Create the draft")
    draft = founder.page.url
    founder.follow("Story and risks")
    founder.fill(What_it_is_about="Sensors for tidal turbines.", Story="We build sensors.", Risks="We may fail.",
                 Sector="Clean energy")
    founder.press("Save")
    founder.open(f"{draft}/contract/import")
    founder.main.get_by_label("Contract as YAML or JSON").set_input_files(contract)
    founder.press("Import")
    assert founder.errors() == []
    founder.open(f"{draft}/submit")
    founder.sees("$2,000.00, $5,000.00, $10,000.00", "2 milestones, closing tranche 15 %")
    founder.press("Submit for review")
    return draft


def contract_file(directory: Path, deadline: dt.date) -> Path:
    document = lives.contract_document(deadline, tranches=(4500, 4000), approvals=2, auditors=2)
    path = directory / "plan.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def appoint_and_approve(operator: Person, auditors: list[str]) -> None:
    operator.open("/operator/offerings")
    operator.follow("Halden Tidal")
    review = operator.page.url
    for number in range(2):
        operator.open(review)
        with operator.page.expect_navigation():
            operator.main.get_by_role("link", name="Draw").nth(number).click()
        operator.sees(*auditors)
        operator.press("Draw by lot")
    operator.open(review)
    operator.follow("Approve")
    operator.press("Approve")
    operator.sees("The offering is approved")


def accept_appointments(auditor: Person) -> None:
    for title in ("Milestone 1", "Milestone 2"):
        auditor.open("/auditor")
        auditor.follow(title)
        auditor.tick("I accept")
        auditor.press("Send my answer")


def invest(investor: Person, amount: str, *, slug: str = "halden-tidal") -> str:
    """Commit and pay through every step; return the commitment's public id."""
    investor.open(f"/offerings/{slug}")
    investor.follow("Commit")
    investor.follow("Continue")
    investor.press("This is right: continue")
    for box in investor.main.get_by_role("checkbox").all():
        box.check()
    investor.press("Continue")
    investor.fill(Amount=amount)
    investor.press("Continue")
    investor.press("Commit")
    investor.sees(f"You committed ${amount}")
    commitment_id = re.search(r"com_[0-9a-f]+", investor.page.url)[0]  # type: ignore[index]
    investor.follow("Pay")
    investor.tick("Instant transfer")
    investor.press("Pay")
    investor.sees(f"${amount} is in escrow")
    return commitment_id


def sign_funding(founder: Person, draft: str) -> None:
    founder.open(f"{draft}/funding")
    founder.tick("I sign this statement")
    founder.press("Sign")


def submit_evidence(founder: Person, draft: str, directory: Path) -> None:
    founder.open(draft)
    founder.follow("Hand in evidence")
    for kind in ("bank_statement", "test_report"):
        file = directory / f"{kind}.txt"
        file.write_text(f"{kind} of March\n")
        founder.fill(What_it_is_evidence_of=kind)
        founder.main.get_by_label("File", exact=True).set_input_files(file)
        founder.press("Add this file")
        assert founder.errors() == []
    founder.follow("Continue")
    founder.fill(What_was_done="The statement shows 51,000; the report 20 of 20 runs.")
    founder.main.get_by_role("checkbox").check()
    founder.press("Continue")
    founder.press("Submit to the auditors")
    founder.sees("Your evidence was received")


def sign_findings(auditor: Person, *, others_hidden: str) -> None:
    auditor.open("/auditor")
    auditor.follow("Review the evidence")
    auditor.sees("bank_statement.txt", "test_report.txt")
    assert others_hidden not in auditor.text
    for criterion in auditor.main.get_by_role("group", name="Your finding").all():
        criterion.get_by_label(re.compile("^Met")).check()
    auditor.press("Check before signing")
    auditor.sees("are needed for $1,275.08")
    auditor.press("Sign")
    auditor.sees("Your findings are signed")


# -- the lives --------------------------------------------------------------------------------------------


def test_a_whole_life_from_an_empty_database(site: Site, new_person: People, tmp_path: Path) -> None:
    operator, founder = new_person("Olga Operator"), new_person("Fay Founder")
    ann, ben = new_person("Ann Auditor"), new_person("Ben Auditor")
    ines, otto, carl = new_person("Ines Investor"), new_person("Otto Investor"), new_person("Carl Investor")
    set_up_site(site, operator)
    for person, role, email in (
        (founder, "Founder", "fay@halden.example"), (ann, "Auditor", "ann@one.example"),
        (ben, "Auditor", "ben@two.example"), (ines, "Investor", "ines@mail.example"),
        (otto, "Investor", "otto@mail.example"), (carl, "Investor", "carl@mail.example"),
    ):
        person.sign_up(role, email)
    for person in (founder, ann, ben):
        person.set_up_second_factor()
    approve_auditors(operator, ["Ann Auditor", "Ben Auditor"])
    for person in (ines, otto, carl):
        become_investor(person, operator, site)

    deadline = (site.stage.now + dt.timedelta(days=30)).date()
    draft = draft_offering(founder, contract_file(tmp_path, deadline), deadline)
    appoint_and_approve(operator, ["Ann Auditor", "Ben Auditor"])
    for auditor in (ann, ben):
        accept_appointments(auditor)
    founder.open(f"{draft}/launch")
    founder.press("Launch now")
    founder.open(draft)
    founder.sees("Public page")

    one, two = invest(ines, "1,500.00"), invest(otto, "1,333.50")
    gone = invest(carl, "700.00")
    carl.open(f"/commitments/{gone}/cancel")
    carl.sees("$700.00")
    carl.press("Cancel my commitment")
    site.work()
    carl.open("/portfolio")
    carl.sees("$700.00")
    assert balances(site.db)["escrow"] == 283_350

    # The deadline passes: 2,833.50 has cleared, so the plan starts with the closing tranche of 15 %.
    ines.move_clock_past("Halden Tidal")
    site.work()
    assert only(site.db, Offering).state == "active"
    sign_funding(founder, draft)
    site.work()
    ines.open("/offerings/halden-tidal")
    ines.sees("$425.02")

    submit_evidence(founder, draft, tmp_path)
    sign_findings(ann, others_hidden="Ben Auditor found")
    sign_findings(ben, others_hidden="Ann Auditor found")
    site.work()  # the window runs from the delivery of the verdict's notice
    operator.move_clock_past("Milestone 1")
    site.work()
    check_figures(site, [(ines, one), (otto, two)], operator, released=42_502 + 127_508)

    finish_second_milestone(site)
    site.work()
    assert only(site.db, Offering).state == "completed"
    check_figures(site, [(ines, one), (otto, two)], operator, released=283_350)
    ines.open("/notices")
    ines.sees("Every milestone is settled: Halden Tidal", "In all, $1,500.00 of yours was released")


def check_figures(site: Site, investors: list[tuple[Person, str]], operator: Person, *, released: int) -> None:
    """Assert that portfolio, statement, cap table, ledger and offering show what the books say."""
    books = balances(site.db)
    assert books["escrow"] == 283_350 - released
    with site.db.read() as session:
        assert session.scalar(sa.select(sa.func.sum(Release.amount_minor))) == released
        tokens = session.scalar(sa.select(sa.func.sum(RegisterEntry.quantity)))
    for investor, commitment_id in investors:
        line = statement_of(site.db, commitment_id)
        investor.open("/portfolio")
        investor.sees(shown(line.unreleased_after_minor), shown(line.released_after_minor),
                      f"{line.issued_after_tokens:,}")
        investor.open(f"/commitments/{commitment_id}")
        investor.sees(shown(line.unreleased_after_minor), shown(line.released_after_minor),
                      f"tokens you hold: {line.issued_after_tokens:,}")
        investor.open("/offerings/halden-tidal/holders")
        investor.sees(f"{line.issued_after_tokens:,}", f"{tokens:,}")
    operator.open("/operator/ledger")
    for kind in ("escrow", "outstanding"):
        digits = shown(books[kind]) if kind == "escrow" else f"{books[kind]:,}"
        assert digits in operator.text, (kind, digits)
    assert books["outstanding"] == tokens
    operator.open("/operator")
    assert operator.title


def finish_second_milestone(site: Site) -> None:
    """Bring the second milestone to its release through the services; the first went through the pages."""
    stage, offering = site.stage, only(site.db, Offering)
    with site.db.read() as session:
        users = session.scalars(sa.select(User)).all()
        actors = {each.name: people.actor_for(session, each.id, second_factor=True) for each in users}
    milestone = stage.milestone(offering.public_id, 2)
    submission = stage.submit_evidence(actors["Fay Founder"], milestone.public_id)
    for name in ("Ann Auditor", "Ben Auditor"):
        stage.attest(actors[name], submission)
    deadline = stage.milestone(offering.public_id, 2).deadline_at
    assert deadline is not None
    stage.advance_to(deadline)
    stage.advance(minutes=1)  # the rail says that the payout arrived


def test_a_missed_minimum_refunds_everybody_in_the_browser(site: Site, new_person: People) -> None:
    life = lives.live(site.db, stage=site.stage, investors=2)
    ines, otto = new_person("Investor 1"), new_person("Investor 2")
    for person, who in zip((ines, otto), life.investors, strict=True):
        person.sign_in(site.let_in(who))
    one, two = invest(ines, "600.00"), invest(otto, "700.50")
    assert balances(site.db)["escrow"] == 130_050

    ines.move_clock_past("Halden Tidal")
    site.work()

    assert only(site.db, Offering).state == "failed"
    with site.db.read() as session:
        refunds = {each.commitment_id: each for each in session.scalars(sa.select(Refund))}
        assert sum(each.amount_minor for each in refunds.values()) == 130_050
        assert {each.status for each in refunds.values()} == {"done"}
    books = balances(site.db)
    assert [books.get(kind, 0) for kind in ("escrow", "refunds", "reserved", "outstanding", "cash")] == [0] * 5
    for person, commitment_id, amount in ((ines, one, "$600.00"), (otto, two, "$700.50")):
        person.open(f"/commitments/{commitment_id}")
        person.sees("Refunded", amount, "tokens you hold: 0")
        person.open("/portfolio")
        person.sees("In escrow $0.00", f"Refunded {amount}")
        person.open("/notices")
        person.sees("Minimum missed, everybody is refunded", f"All of your {amount} goes back")
    ines.open("/offerings/halden-tidal")
    ines.sees("$1,300.50", "$2,000.00")


def test_a_failed_last_milestone_winds_down_in_the_browser(site: Site, new_person: People) -> None:
    life = lives.active(
        site.db, stage=site.stage, amounts=[150_000, 133_350], contract={"tranches": (4500, 4000)}
    )
    lives.released(life, 1)
    ines = new_person("Investor 1")
    ines.sign_in(site.let_in(life.investors[0]))
    commitment_id = life.commitments[0]
    before = statement_of(site.db, commitment_id)
    ines.open(f"/commitments/{commitment_id}")
    stopped = ines.main.get_by_role("region", name="If it stopped today").or_(
        ines.main.locator("section", has_text="If it stopped today")
    ).first
    assert shown(before.unreleased_after_minor) in stopped.inner_text()

    second = site.stage.milestone(life.offering_id, 2)
    assert second.long_stop_at is not None
    site.stage.advance_to(second.long_stop_at - dt.timedelta(hours=2))
    ines.move_clock_past("Milestone 2")
    site.work()

    assert only(site.db, Offering).state == "wound_down"
    books = balances(site.db)
    assert [books.get(kind, 0) for kind in ("escrow", "refunds", "reserved")] == [0, 0, 0]
    assert books["outstanding"] == 3_400
    with site.db.read() as session:
        back = {each.commitment_id: each.amount_minor for each in session.scalars(sa.select(Refund))}
        mine = session.scalars(sa.select(Commitment).where(Commitment.public_id == commitment_id)).one()
    assert sum(back.values()) == 113_340
    assert back[mine.id] == before.unreleased_after_minor
    ines.open(f"/commitments/{commitment_id}")
    ines.sees(shown(back[mine.id]), shown(before.released_after_minor),
              f"tokens you hold: {before.issued_after_tokens:,}")
    ines.open("/portfolio")
    ines.sees(f"Refunded {shown(back[mine.id])}", f"Released {shown(before.released_after_minor)}")
    ines.open("/offerings/halden-tidal")
    ines.sees("$1,133.40")
