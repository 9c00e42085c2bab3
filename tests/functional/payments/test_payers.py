"""Whose money it is, and who acts together: payers' names and linked commitments (COM-11, COM-12)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.closing import funding
from app.commitments import links, queries
from app.commitments import tasks as commitment_tasks
from app.commitments.models import CommitmentLink, LinkFact
from app.payments import receipts
from app.payments.models import PayerReport
from tests.functional.payments.conftest import Till
from tests.functional.payments.test_parts import Bank
from tests.unchanged import refused

DAY = dt.timedelta(days=1)

#: The same SQL runs in the others on both databases.
sqlite_is_enough = pytest.mark.databases("sqlite")


def _name(till: Till, investor: int = 0) -> str:
    return till.life.investors[investor].name


# -- COM-12 -----------------------------------------------------------------------------------------


@sqlite_is_enough
def test_com_12_money_in_another_name_goes_back_to_its_sender_uncounted(till: Till) -> None:
    bank = Bank(till)
    bank.send(200_000, name="Somebody Else", account="GB29 NWBK")
    assert till.journals("payment_unapplied") == [{"cash:sandbox:O": 200_000, "unapplied:sandbox:O": -200_000}]
    assert [(each.amount_minor, each.reason, each.status) for each in till.refunds()] == [
        (200_000, "other_name", "done")
    ]
    assert (bank.status, till.balances()) == ("awaiting_payment", {})
    bank.send(200_000, name=_name(till).upper(), account="GB33 BUKB")
    assert (bank.status, till.balances()) == ("held", {"cash:sandbox:O": 200_000, "escrow:O": 200_000})
    assert bank.sources == [(200_000, 200_000)]
    assert till.rail_agrees()


def test_com_12_a_name_that_may_be_the_investors_waits_for_an_operator(till: Till) -> None:
    bank = Bank(till)
    bank.send(200_000, name=f"{_name(till)} and Bela")
    [receipt] = till.receipts()
    assert (receipt.status, bank.status) == ("doubted", "clearing")
    assert till.balances() == {"cash:sandbox:O": 200_000, "unapplied:sandbox:O": 200_000}
    with refused(till.db, "forbidden"):
        _decide(till, till.life.investors[0], receipt.public_id, is_theirs=True)
    with refused(till.db, "reason_empty"):
        _decide(till, till.life.operator, receipt.public_id, is_theirs=True, reason=" ")
    _decide(till, till.life.operator, receipt.public_id, is_theirs=True)
    assert till.journals("payment_applied") == [{"unapplied:sandbox:O": 200_000, "escrow:O": -200_000}]
    assert (bank.status, [each.status for each in till.receipts()]) == ("held", ["applied"])
    with refused(till.db, "not_waiting"):
        _decide(till, till.life.operator, receipt.public_id, is_theirs=False)


@sqlite_is_enough
def test_com_12_nobody_decides_in_three_business_days_and_it_goes_back(till: Till) -> None:
    bank = Bank(till)
    bank.send(200_000, name=f"{_name(till)} and Bela")
    till.pass_time(days=6)
    assert [(each.amount_minor, each.reason, each.status) for each in till.refunds()] == [
        (200_000, "other_name", "done")
    ]
    assert bank.status == "payment_failed"
    assert till.balances() == {}


@sqlite_is_enough
def test_ppl_6_only_the_name_is_kept_as_it_came_and_only_where_it_can_be_erased(till: Till) -> None:
    bank = Bank(till)
    bank.send(200_000, name=_name(till), account="GB29 NWBK 6016 1331 9268 19", card="4242")
    facts, report = till.read(
        lambda session: (
            {each.kind: each.mark for each in session.scalars(sa.select(LinkFact))},
            session.scalars(sa.select(PayerReport)).one(),
        )
    )
    assert set(facts) == {"account", "card", "payer_name"}
    assert all(len(mark) == 64 for mark in facts.values())
    assert (report.name, report.result) == (_name(till), "same")
    with till.db.read() as session:
        for table in ("log_entry", "outbox", "journal"):
            text = str(session.execute(sa.text(f"SELECT * FROM {table}")).all())
            assert "NWBK" not in text
            assert _name(till) not in text


def _decide(
    till: Till, actor: Actor, receipt_id: str, *, is_theirs: bool, reason: str = "Looked at the papers."
) -> None:
    till.act(
        lambda session, now: receipts.decide_doubt(
            session, actor=actor, receipt_id=receipt_id, is_theirs=is_theirs, reason=reason, now=now
        )
    )


# -- COM-11 -----------------------------------------------------------------------------------------


def _sums(till: Till) -> queries.Sums:
    offering = till.offering()
    return till.read(lambda session: queries.raised_sums(session, [offering.id])[offering.id])


def _links(till: Till) -> list[CommitmentLink]:
    return list(till.read(lambda session: session.scalars(sa.select(CommitmentLink).order_by(CommitmentLink.id)).all()))


def test_com_11_investors_of_one_account_are_linked_and_count_toward_no_minimum(
    make_till: Callable[..., Till],
) -> None:
    till = make_till(fields={"minimum_minor": 250_000})
    for investor, amount in ((0, 200_000), (1, 60_000)):
        Bank(till, amount, investor=investor).send(amount, name=_name(till, investor), account="GB29-nwbk 60")
    till.invest(amount_minor=200_000, investor=2)
    assert [(each.kind, each.is_issuer, each.status) for each in _links(till)] == [("account", False, "stands")] * 2
    assert _sums(till) == queries.Sums(200_000, 260_000, 0, 0)
    assert till.offering().committed_minor == 460_000
    till.life.stage.close(till.life.offering_id)
    till.pauses_pass()
    till.life.stage.advance(minutes=1)
    offering = till.offering()
    assert (offering.state, offering.committed_minor, offering.counted_minor) == ("failed", 460_000, 200_000)
    assert sum(each.amount_minor for each in till.refunds()) == 460_000


@sqlite_is_enough
def test_com_11_the_minimum_is_reached_by_arms_length_money_alone(make_till: Callable[..., Till]) -> None:
    till = make_till(fields={"minimum_minor": 200_000})
    Bank(till, 60_000).send(60_000, name=_name(till), account="sbx_acct_ok")
    till.invest(amount_minor=200_000, investor=1)
    [link] = _links(till)
    assert (link.kind, link.is_issuer) == ("account", True)
    till.life.stage.close(till.life.offering_id)
    till.pauses_pass()
    till.life.stage.advance(minutes=1)
    offering = till.offering()
    assert (offering.state, offering.proceeds_minor, offering.counted_minor) == ("active", 260_000, 200_000)


def test_com_11_a_link_is_contested_and_an_operator_lifts_it(till: Till) -> None:
    bank = Bank(till, 60_000)
    bank.send(60_000, name=_name(till), account="sbx_acct_ok")
    [link] = _links(till)
    with refused(till.db, "link_not_found"):
        _contest(till, till.life.investors[1], link.public_id)
    with refused(till.db, "reason_empty"):
        _contest(till, till.life.investors[0], link.public_id, " ")
    _contest(till, till.life.investors[0], link.public_id)
    assert till.commitment(bank.commitment_id).is_linked
    _settle(till, link.public_id, lift=True)
    assert not till.commitment(bank.commitment_id).is_linked
    assert _sums(till).cleared_minor == 60_000
    # What was lifted stays lifted, although the fact is still there.
    till.act(lambda session, now: links.find(session, till.offering(), now=now))
    assert [each.status for each in _links(till)] == ["lifted"]
    with refused(till.db, "link_decided"):
        _contest(till, till.life.investors[0], link.public_id)


@sqlite_is_enough
def test_com_11_a_contested_link_that_nobody_decides_stands(till: Till) -> None:
    bank = Bank(till, 60_000)
    bank.send(60_000, name=_name(till), account="sbx_acct_ok")
    [link] = _links(till)
    _contest(till, till.life.investors[0], link.public_id)
    till.skip(days=6)
    job = next(each for each in commitment_tasks.JOBS if each.name == "let_links_stand")
    now = till.life.stage.now
    assert till.read(lambda session: list(job.due(session, now, 10))) == [link.id]
    till.act(lambda session, now: job.act(session, link.id, now))
    assert [each.status for each in _links(till)] == ["upheld"]
    assert till.commitment(bank.commitment_id).is_linked


@sqlite_is_enough
def test_com_11_family_that_is_declared_is_linked_until_the_other_leaves(till: Till) -> None:
    first, second = (till.invest(amount_minor=100_000, investor=each) for each in (0, 1))
    parties = [till.commitment(each).party_id for each in (first, second)]

    def declare(session: Session, now: dt.datetime) -> None:
        links.declare_family(session, *parties, now=now)
        links.find(session, till.offering(), now=now)

    till.act(declare)
    assert [till.commitment(each).is_linked for each in (first, second)] == [True, True]
    till.cancel(second, investor=1)
    till.act(lambda session, now: links.find(session, till.offering(), now=now))
    assert not till.commitment(first).is_linked


def _contest(till: Till, actor: Actor, link_id: str, words: str = "We are two households.") -> None:
    till.act(lambda session, now: links.contest(session, actor=actor, link_id=link_id, words=words, now=now))


def _settle(till: Till, link_id: str, *, lift: bool) -> None:
    till.act(
        lambda session, now: links.decide(
            session, actor=till.life.operator, link_id=link_id, lift=lift, reason="Looked at the papers.", now=now
        )
    )


# -- the founder's statement ------------------------------------------------------------------------


@sqlite_is_enough
def test_com_11_nothing_is_released_before_an_officer_signed_who_funded_the_commitments(till: Till) -> None:
    stage = till.life.stage
    stage.founders_sign = False
    with refused(till.db, "not_closed"):
        _sign(till, till.life.founder)
    till.invest(amount_minor=300_000)
    stage.close(till.life.offering_id)
    stage.advance(days=12)
    assert (till.offering().state, till.journals("released")) == ("active", [])
    with refused(till.db, "forbidden"):
        _sign(till, till.life.investors[0])
    stranger, _issuer = stage.company(stage.person("founder", "Other Founder"), "Other Ltd")
    with refused(till.db, "offering_not_found"):
        _sign(till, stranger)
    _sign(till, till.life.founder)
    _sign(till, till.life.founder)
    assert till.logged("offering.funding_stated") == 1
    stage.work()
    assert len(till.journals("released")) == 1


def _sign(till: Till, actor: Actor) -> None:
    till.act(
        lambda session, now: funding.state_funding(session, actor=actor, offering_id=till.life.offering_id, now=now)
    )


@pytest.mark.parametrize("kind", ["iris"])
@sqlite_is_enough
def test_only_known_facts_are_kept(till: Till, kind: str) -> None:
    with pytest.raises(LookupError):
        till.act(lambda session, now: links.note_facts(session, 1, {kind: "x"}, now=now))


@sqlite_is_enough
def test_com_11_a_plan_that_nobody_signs_for_ends_and_everything_goes_back(till: Till) -> None:
    stage = till.life.stage
    stage.founders_sign = False
    till.invest(amount_minor=300_000)
    stage.close(till.life.offering_id)
    stage.resign(till.life.founder, till.life.offering_id, reason="The founders go separate ways.")
    stage.work()
    # The closing tranche of 450.00 is approved and waits for the signature until its time is over.
    assert till.balances()["escrow:O"] == 45_000
    stage.advance(days=16)
    stage.advance(days=1)
    assert till.offering().state == "wound_down"
    assert [(each.amount_minor, each.status) for each in till.refunds()] == [(255_000, "done"), (45_000, "done")]
    assert till.journals("released") == []
