"""COM-9: the investor's limit over all issuers, at commitment and again at the close, and the answers that are kept."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping

import pytest
import sqlalchemy as sa

from app.accounts.actor import Actor
from app.commitments import limits
from app.commitments.models import Commitment, Refund
from app.db import Database
from app.errors import Refused
from app.investors import rules as investor_rules
from app.investors import service as investors
from app.notices import wording
from app.notices.models import Notice
from app.offerings import service as offerings
from app.regimes import queries
from tests.factories import life
from tests.factories.life import Life
from tests.unchanged import refused

REG_CF: Mapping[str, str] = {"regime": "us.reg_cf", "holding": "issuer_account"}


def declare(
    story: Life, investor: Actor, *, category: str = "retail", income: int = 0, worth: int = 0,
    currency: str = "USD/2", elsewhere: int = 0, invested_bp: int = 999, intends_bp: int = 999,
) -> None:
    """Let an investor declare; with nothing, the yearly limit is the floor of $2,500."""
    story.stage.db.unit_of_work(
        lambda session: investors.declare(
            session, actor=investor, party_id=story.stage.party(investor, "investor"), category=category,
            income_minor=income, net_worth_minor=worth, currency=currency, elsewhere_minor=elsewhere,
            invested_bp=invested_bp, intends_bp=intends_bp,
            wording_hash=investor_rules.hash_of(investor_rules.declaration_wording(category)), now=story.stage.now,
        )
    )


def two_offerings(db: Database, **options: object) -> tuple[Life, Life, Actor]:
    """Return two companies' offerings under Regulation Crowdfunding and an investor with a limit of $2,500."""
    first = life.live(db, investors=2, fields=REG_CF, **options)
    second = life.live(db, investors=0, fields=REG_CF, stage=first.stage, **options)
    declare(first, first.investors[0])
    return first, second, first.investors[0]


def test_com_9_the_limit_counts_every_issuer_and_is_told_in_money(db: Database) -> None:
    first, second, investor = two_offerings(db)
    stage = first.stage
    one = stage.commit(investor, first.offering_id, 200_000)
    with refused(db, "over_investor_limit"):
        stage.commit(investor, second.offering_id, 50_100)
    with pytest.raises(Refused) as caught:
        stage.commit(investor, second.offering_id, 50_100)
    assert caught.value.message.startswith("Enter $500.00 or less: your yearly limit has $500.00 left.")
    assert (caught.value.field, caught.value.facts["left_minor"]) == ("amount", 50_000)
    two = stage.commit(investor, second.offering_id, 50_000)
    with db.read() as session:
        kept = {each: queries.decisions_of(session, each) for each in (one, two)}
        offering = offerings.offering_by_id(session, second.offering_id)
        assert limits.left(session, offering, stage.party(investor, "investor"), now=stage.now) == 0
    assert [each.rule_id for each in kept[two]] == ["investor_category", "investor_check"]
    told = kept[two][1]
    assert (told.allowed, told.arm, told.source) == (True, "us.reg_cf@2022-09-20", "17 CFR 227; 87 FR 57394")
    assert (told.facts["prior_12m_minor"], told.facts["limit_minor"]) == (200_000, 250_000)
    assert "income" not in str(told.facts) and "net_worth" not in str(told.facts)
    # Cancelling frees what it used.
    stage.cancel(investor, one)
    with db.read() as session:
        offering = offerings.offering_by_id(session, second.offering_id)
        assert limits.left(session, offering, stage.party(investor, "investor"), now=stage.now) == 200_000


def test_com_9_used_up_is_said_and_a_year_later_it_is_free_again(db: Database) -> None:
    first, second, investor = two_offerings(db)
    stage = first.stage
    stage.commit(investor, first.offering_id, 250_000)
    with db.read() as session:
        offering = offerings.offering_by_id(session, second.offering_id)
        party = stage.party(investor, "investor")
        asked = limits.answers(session, offering, party, 50_000, now=stage.now)
        assert limits.left_of(asked) == 0
        assert "is used up" in limits._words(offering, asked)
        later = stage.now + dt.timedelta(days=366)
        assert limits.left(session, offering, party, now=later) == 250_000


def test_com_9_what_was_declared_of_other_platforms_counts(db: Database) -> None:
    first, _second, investor = two_offerings(db)
    declare(first, investor, elsewhere=180_000)
    with refused(db, "over_investor_limit"):
        first.stage.commit(investor, first.offering_id, 70_100)
    first.stage.commit(investor, first.offering_id, 70_000)


def test_com_9_a_private_offering_neither_counts_nor_is_limited(db: Database) -> None:
    first, _second, investor = two_offerings(db)
    private = life.live(db, investors=0, stage=first.stage)
    stage = first.stage
    stage.commit(investor, private.offering_id, 900_000)
    stage.commit(investor, first.offering_id, 250_000)


def test_com_9_categories_and_currency_are_asked_first(db: Database) -> None:
    offering = life.live(db, investors=2, fields={"regime": "us.reg_d_506c"})
    stage, (retail, foreign) = offering.stage, offering.investors
    declare(offering, retail)
    with refused(db, "category_not_admitted"):
        stage.commit(retail, offering.offering_id, 100_000)
    # An accredited one must invest enough that this verifies it.
    with refused(db, "below_minimum_investment"):
        stage.commit(foreign, offering.offering_id, 100_000)
    other = life.live(db, investors=0, fields=REG_CF, stage=stage)
    declare(offering, foreign, currency="EUR/2")
    with refused(db, "declared_in_other_currency"):
        stage.commit(foreign, other.offering_id, 50_000)


def test_com_9_above_the_limit_at_the_close_goes_back_and_is_told(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, investor = two_offerings(db)
    stage = first.stage
    other = first.investors[1]
    kept = stage.invest(other, first.offering_id, 300_000)
    early = stage.invest(investor, first.offering_id, 200_000)
    with monkeypatch.context() as apart:
        # Of the two only one fits under $2,500; here the second is let in as if nobody knew of the first.
        apart.setattr(limits, "bought", lambda *_args, **_more: defaultdict(list))
        late = stage.invest(investor, second.offering_id, 200_000)
    stage.invest(other, second.offering_id, 300_000)
    stage.close(first.offering_id)
    stage.close(second.offering_id)
    # A close is decided only once the rail was asked after it, and it is asked once a second.
    stage.advance(minutes=1)
    with db.read() as session:
        status = dict(session.execute(sa.select(Commitment.public_id, Commitment.status)).all())
        assert (status[kept], status[early], status[late]) == ("held", "held", "cancelled")
        refund = session.execute(sa.select(Refund)).scalars().one()
        assert (refund.amount_minor, refund.reason) == (200_000, "over_limit")
        closing = [each for each in queries.decisions_of(session, late) if each.moment == "close"]
        assert [(each.allowed, each.reasons) for each in closing] == [(False, ("over_investor_limit",))]
        assert (closing[0].facts["prior_12m_minor"], closing[0].facts["limit_minor"]) == (200_000, 250_000)
        ended = offerings.offering_by_id(session, second.offering_id)
        assert (ended.state, ended.proceeds_minor) == ("active", 300_000)
        told = session.execute(sa.select(Notice).where(Notice.kind == "commitment_over_limit")).scalars().one()
        words = " ".join(wording.words_of(session, [told])[told.id].paragraphs)
        assert "was above your yearly limit then" in words
        assert "$2,000.00 goes back to where it came from" in words


def test_com_6_four_days_to_think_outlive_the_deadline(db: Database) -> None:
    story = life.live(db, investors=2, fields={"regime": "eu.ecspr", "currency": "EUR/2"},
                      contract={"currency": "EUR/2"})
    stage, (early, late) = story.stage, story.investors
    stage.invest(early, story.offering_id, 300_000)
    deadline = stage.offering(story.offering_id).deadline_at
    stage.advance_to(deadline - dt.timedelta(hours=6))
    assert stage.now > stage.offering(story.offering_id).cancel_until
    commitment = stage.invest(late, story.offering_id, 200_000)
    with db.read() as session:
        ends = session.execute(sa.select(Commitment).where(Commitment.public_id == commitment)).scalars().one()
        ends = ends.created_at + dt.timedelta(days=4)
    stage.advance_to(ends - dt.timedelta(minutes=10))
    # The deadline is over and all money is there, yet it is not decided: one may still go.
    assert stage.offering(story.offering_id).state == "clearing"
    stage.cancel(late, commitment)
    stage.advance_to(ends)
    stage.advance(minutes=1)
    ended = stage.offering(story.offering_id)
    assert (ended.state, ended.proceeds_minor) == ("active", 300_000)
