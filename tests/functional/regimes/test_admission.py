"""OFF-14: what a regime does not allow is refused when it is submitted, approved and launched."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType

import pytest

from app.db import Database
from app.offerings import change_problems, rules, service, versions
from app.regimes import queries
from tests.factories import life
from tests.factories.life import Life
from tests.functional.regimes.test_limits import REG_CF
from tests.unchanged import refused


def submitted(db: Database, story: Life) -> None:
    story.stage.submit_offering(story.offering_id, story.founder)
    story.stage.appoint(story.offering_id, story.operator, story.auditors)


def approve(story: Life) -> None:
    story.stage.db.unit_of_work(
        lambda session: service.approve(
            session, actor=story.operator, offering_id=story.offering_id, now=story.stage.now
        )
    )


def test_off_14_the_way_of_holding_must_be_allowed(db: Database) -> None:
    story = life.drafted(db, fields={**REG_CF, "holding": "escrow_agent"})
    with refused(db, "offering_not_ready"):
        submitted(db, story)
    with db.read() as session:
        offering = service.offering_by_id(session, story.offering_id)
        found, _relaxed = service.problems_of(session, offering, now=story.stage.now)
    assert [(each.path, each.code) for each in found] == [("holding", "holding_not_allowed")]


def test_off_14_the_regimes_currency_and_the_day_it_began(db: Database) -> None:
    story = life.drafted(db, fields={**REG_CF, "currency": "EUR/2"}, contract={"currency": "EUR/2"})
    with db.read() as session:
        offering = service.offering_by_id(session, story.offering_id)
        found, _relaxed = service.problems_of(session, offering, now=story.stage.now)
        assert [(each.path, each.code) for each in found] == [("currency", "regime_currency")]
        offering.regime = "uk.fca"
        long_ago = dt.datetime(2022, 11, 30, 12, tzinfo=dt.UTC)
        found, _relaxed = service.problems_of(session, offering, now=long_ago)
        assert found[0].code == "regime_has_no_figures"


def test_off_14_the_plan_must_end_within_the_rails_hold_limit(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = life.drafted(db)
    submitted(db, story)
    with db.read() as session:
        offering = service.offering_by_id(session, story.offering_id)
        # Three milestones one after the other may each be tolled sixty days; thirty more for the last refund.
        needed = offering.long_stop_at + dt.timedelta(days=3 * 60 + 30) - story.stage.now
    for days, code in ((needed.days, "beyond_hold_limit"), (needed.days + 1, None)):
        limited = MappingProxyType({"sandbox": rules.RailFigures("bank", days)})
        monkeypatch.setattr(rules, "RAILS", limited)
        if code is not None:
            with refused(db, code):
                approve(story)
    approve(story)
    assert story.stage.offering(story.offering_id).state == "approved"


def test_off_14_the_issuers_cap_counts_its_offerings_of_a_year(db: Database) -> None:
    big = {**REG_CF, "minimum_minor": 10_000_000, "target_minor": 20_000_000, "maximum_minor": 300_000_000}
    first = life.drafted(db, fields=big, authorised=100_000_000)
    stage = first.stage
    submitted(db, first)
    terms = life.contract_document(stage.offering(first.offering_id).deadline_at.date())
    again = stage.draft(
        first.founder, first.token_class_id, life.offering_fields(stage.now, **(big | {"maximum_minor": 200_000_001})),
        terms,
    )
    second = Life(**{**vars(first), "offering_id": again, "commitments": []})
    submitted(db, second)
    approve(first)
    with refused(db, "over_issuer_cap"):
        approve(second)
    with db.read() as session:
        kept = queries.decisions_of(session, first.offering_id)
    assert [(each.rule_id, each.allowed) for each in kept] == [
        ("holding_after_close", True), ("hold_limit", True), ("issuer_cap", True),
    ]
    assert kept[2].facts["aggregate_minor"] == 300_000_000


def test_off_14_other_regimes_do_not_count_for_the_cap(db: Database) -> None:
    private = life.drafted(db, fields={"maximum_minor": 400_000_000}, authorised=100_000_000)
    submitted(db, private)
    approve(private)
    stage = private.stage
    terms = life.contract_document(stage.offering(private.offering_id).deadline_at.date())
    fields = life.offering_fields(stage.now, **REG_CF, maximum_minor=500_000_000)
    again = stage.draft(private.founder, private.token_class_id, fields, terms)
    second = Life(**{**vars(private), "offering_id": again, "commitments": []})
    with db.read() as session:
        found, _relaxed = service.problems_of(session, service.offering_by_id(session, again), now=stage.now)
    assert [each.code for each in found if each.code == "over_issuer_cap"] == []
    assert second.offering_id == again


def test_off_14_a_change_of_a_live_offering_is_asked_the_same(db: Database) -> None:
    story = life.live(db, investors=0, fields=REG_CF, authorised=1_000_000_000)
    with db.read() as session:
        offering = service.offering_by_id(session, story.offering_id)
        version = versions.current(session, offering)
        assert version is not None
        assert (version.document["figures"]["regime"], version.document["figures"]["holding"]) == (
            "us.reg_cf", "issuer_account",
        )
        found = {
            maximum: [each.code for each in change_problems.of(
                session, offering, version, {"figures": {"maximum_minor": maximum}}, now=story.stage.now
            )]
            for maximum in (500_000_000, 500_000_001)
        }
        fixed = change_problems.of(
            session, offering, version, {"figures": {"regime": "private"}}, now=story.stage.now
        )
    assert found == {500_000_000: [], 500_000_001: ["over_issuer_cap"]}
    assert [(each.path, each.code) for each in fixed] == [("regime", "field_fixed")]
