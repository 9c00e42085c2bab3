"""MIL-8, MIL-9: who stands in a draw by lot, who is drawn, and how anybody recomputes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app import selfcheck
from app.accounts import queries as people
from app.accounts import service as accounts
from app.commitments import links
from app.db import Database
from app.ledger import triggers
from app.offerings import independence, lot_queries, lots
from app.offerings.auditing_models import AuditorProfile, DeclaredConflict
from app.offerings.lot_models import Draw, LotSeed
from app.offerings.models import Issuer, Offering
from milestones import lots as pure
from tests.factories import life as lives
from tests.factories import panels
from tests.factories.life import Life
from tests.functional.visitor import Visitor
from tests.unchanged import refused

ENTROPY = "ab" * 32  # as the factory mixes in


@pytest.fixture
def life(db: Database) -> Life:
    return lives.live(db, auditors=5, contract={"auditors": 2, "approvals": 2})


def party(life: Life, number: int) -> int:
    return life.stage.party(life.auditors[number], "auditor")


def drawn(life: Life, **options: object) -> tuple[Draw, list[int], dict[int, str | None]]:
    """Draw for the first milestone; return the draw, the parties seated, and why others had no ticket."""
    found = panels.draw(life, **options)
    with life.stage.db.read() as session:
        shown = lot_queries.shown(session, found.draw.public_id)
    assert shown is not None
    return (found.draw, [each.party_id for each in found.seated],
            {each.party_id: each.excluded for each in shown.left_out})


def test_mil_9_a_seed_is_committed_before_and_revealed_by_the_draw(life: Life) -> None:
    with life.stage.db.read() as session:
        (before,) = session.scalars(sa.select(LotSeed).where(~sa.exists().where(Draw.seed_id == LotSeed.id)))
        offering_id = session.scalar(sa.select(Offering.id))
    draw, seated, left_out = drawn(life)
    assert len(seated) == 3 and left_out == {}
    with life.stage.db.read() as session:
        shown = lot_queries.shown(session, draw.public_id)
        following = lot_queries.committed(session, offering_id or 0)
    assert shown is not None and following is not None
    assert (shown.seed.id, pure.commitment(shown.seed.seed)) == (before.id, before.commitment)
    assert following.number == before.number + 1  # the next one waits at once
    assert draw.context == f"dispute/{life.offering_id}/m1/{before.number}/{ENTROPY}"
    ranked = pure.order(shown.seed.seed, draw.context, [each.candidate for each in shown.tickets])
    assert [each.candidate for each in shown.tickets] == [each.candidate for each in ranked]
    assert seated == [each.party_id for each in shown.tickets[:3]]
    assert shown.recomputed_hash == draw.content_hash


def test_mil_9_without_a_committed_seed_there_is_no_draw(db: Database) -> None:
    life = lives.drafted(db)
    with refused(db, "no_seed"):
        drawn(life)


def test_mil_9_whoever_is_left_out_stands_in_the_record_with_the_reason(life: Life) -> None:
    def say(session: sa.orm.Session) -> None:
        now = life.stage.business_now(session)
        issuer_id = session.scalar(sa.select(Issuer.id))
        session.add(AuditorProfile(party_id=party(life, 1), is_willing=False, updated_at=now))
        session.add(AuditorProfile(party_id=party(life, 2), sectors="Biotech\nFood", updated_at=now))
        session.add(DeclaredConflict(public_id="dcl_1", party_id=party(life, 3), issuer_id=issuer_id,
                                     reason="My sister works there.", declared_at=now))

    life.stage.db.unit_of_work(say)
    _draw, seated, left_out = drawn(life, barred={party(life, 0): "first_panel"})
    assert left_out == {
        party(life, 0): "first_panel", party(life, 1): "unwilling", party(life, 2): "sector",
        party(life, 3): "declared",
    }
    assert seated == [party(life, 4)]  # short of two seats, and it says so
    # Everybody reads that somebody is not independent; what ties them is nobody else's to know (PPL-6).
    with life.stage.db.read() as session:
        shown = lot_queries.shown(session, _draw.public_id)
    assert shown is not None
    told = [each["because"] for each in lot_queries.document(shown)["left_out"]]  # type: ignore[union-attr]
    assert sorted(told) == ["first_panel", "not_independent", "sector", "unwilling"]


def test_mil_8_auditors_of_one_firm_never_sit_on_one_panel(life: Life) -> None:
    def say(session: sa.orm.Session) -> None:
        now = life.stage.business_now(session)
        for number, firm in enumerate(["Marsh & Co. Ltd", "MARSH and Co", "Other LLP"]):
            session.add(AuditorProfile(party_id=party(life, number), firm=firm,
                                       firm_key=independence.firm_key(firm), updated_at=now))
        links.note_facts(session, party(life, 3), {"address": "1 high street"}, now=now)
        links.note_facts(session, party(life, 4), {"address": "1 high street"}, now=now)

    life.stage.db.unit_of_work(say)
    for _again in range(5):
        _draw, seated, _out = drawn(life, seats=5)
        assert len({party(life, 0), party(life, 1)} & set(seated)) == 1
        assert len({party(life, 3), party(life, 4)} & set(seated)) == 1 and len(seated) == 3
    # Who sits already counts too.
    _draw, seated, _out = drawn(life, seats=5, beside=[party(life, 0)])
    assert party(life, 1) not in seated


@pytest.mark.parametrize("tie", ["team", "mail_domain", "firm", "address", "company"])
def test_mil_8_the_issuers_own_people_are_never_drawn(life: Life, tie: str) -> None:
    def make(session: sa.orm.Session) -> None:
        now = life.stage.business_now(session)
        issuer = session.scalars(sa.select(Issuer)).one()
        auditor, user_id, founder_id = party(life, 0), life.auditors[0].user_id or 0, life.founder.user_id or 0
        match tie:
            case "team":
                accounts.add_member(session, user_id=user_id, party_id=issuer.party_id, role="founder", now=now)
            case "mail_domain":
                founder, itself = people.user_by_id(session, founder_id), people.user_by_id(session, user_id)
                assert founder is not None and itself is not None
                founder.email = "fay@" + people.mail_domain(itself.email)
            case "firm":
                key = independence.firm_key("halden tidal")
                session.add(AuditorProfile(party_id=auditor, firm="Halden Tidal", firm_key=key, updated_at=now))
            case "address":
                for each in (auditor, people.natural_party_of(session, founder_id)):
                    links.note_facts(session, each, {"address": "2 quay"}, now=now)
            case "company":
                other = accounts.create_legal_party(session, name="Another Ltd", now=now)
                for user in (user_id, founder_id):
                    accounts.add_member(session, user_id=user, party_id=other.id, role="founder", now=now)

    life.stage.db.unit_of_work(make)
    _draw, seated, left_out = drawn(life, seats=5)
    assert left_out == {party(life, 0): tie}
    assert party(life, 0) not in seated


def test_mil_8_nobody_lives_on_one_company(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a fifth of an auditor's reviews of 24 months for one issuer, once they are enough for a share."""
    monkeypatch.setattr(independence, "DEPENDENT_FROM_REVIEWS", 2)
    life = lives.active(db, auditors=1)
    lives.released(life, 1)
    assert drawn(life, seats=1)[2] == {}  # one review is no share
    lives.reviewed(life, 2)
    _draw, seated, left_out = drawn(life, seats=1)
    assert (seated, left_out) == ([], {party(life, 0): "dependent"})


def test_mil_9_the_next_in_line_is_asked_again_whether_they_may(life: Life) -> None:
    draw, seated, _out = drawn(life, seats=1)

    def following(session: sa.orm.Session) -> list[int]:
        offering = session.scalars(sa.select(Offering)).one()
        shown = lot_queries.shown(session, draw.public_id)
        assert shown is not None
        line = [each.party_id for each in shown.tickets]
        session.add(AuditorProfile(party_id=line[1], is_willing=False, updated_at=life.stage.business_now(session)))
        session.flush()
        first = lots.next_in_line(session, offering, draw, asked=seated)
        assert first is not None and first.party_id == line[2]
        assert lots.next_in_line(session, offering, draw, asked=line) is None
        last = lots.next_in_line(session, offering, draw, asked=line[:3], barred={line[3]: "struck"})
        assert last is not None
        return [last.party_id, line[4]]

    last, expected = life.stage.db.unit_of_work(following)
    assert last == expected


@pytest.mark.tampers
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE lot_ticket SET position = CASE position WHEN 1 THEN 2 ELSE 1 END WHERE position < 3", "draw_altered"),
        ("UPDATE lot_ticket SET rank = '0' || substr(rank, 2) WHERE position = 2", "draw_altered"),
        ("DELETE FROM lot_ticket WHERE position = 3", "draw_altered"),
        ("UPDATE lot_draw SET seats = seats + 1", "draw_untold"),
        ("UPDATE lot_seed SET commitment = '0' || substr(commitment, 2)", "seed_not_committed"),
    ],
)
def test_mil_9_a_bent_draw_is_found(life: Life, change: str, code: str) -> None:
    drawn(life)

    def bend(session: sa.orm.Session) -> None:
        triggers.remove(session.connection())
        session.execute(sa.text(change))

    life.stage.db.unit_of_work(bend)
    with life.stage.db.read() as session:
        assert code in {each.code for each in selfcheck.run(session)}


def test_mil_9_anybody_recomputes_a_draw_on_its_page_and_by_command(
    life: Life, pages: Flask, tmp_path: Path
) -> None:
    draw, _seated, _out = drawn(life)
    visitor = Visitor(pages)
    page = visitor.open(f"/verify?id={draw.public_id}")
    assert "Draw by lot" in page.text and "Unchanged" in page.text
    page = visitor.open(f"/verify/draws/{draw.public_id}")
    assert page.text.index("In the order drawn") < page.text.index("Auditor 1")
    document = visitor.client.get(f"/verify/draws/{draw.public_id}.json").get_json()
    assert (document["seats"], len(document["tickets"])) == (3, 5)
    file = tmp_path / "draw.json"
    runner = pages.test_cli_runner()
    file.write_text(json.dumps(document))
    for what in (draw.public_id, str(file)):
        result = runner.invoke(args=["draw", "check", what])
        assert (result.exit_code, "5 candidates, 3 seats" in result.output) == (0, True)
    document["tickets"].reverse()
    file.write_text(json.dumps(document))
    result = runner.invoke(args=["draw", "check", str(file), "--json"])
    assert (result.exit_code, json.loads(result.output)["error"]["code"]) == (1, "order_wrong")
    assert runner.invoke(args=["draw", "check", "drw_none"]).exit_code == 1
    assert visitor.client.get("/verify/draws/drw_none").status_code == 404
