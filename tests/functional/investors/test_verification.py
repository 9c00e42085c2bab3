"""Who somebody is: request, papers, decision, expiry, and who may see what (PPL-2, PPL-3)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from app.audit.models import LogEntry
from app.investors import identity, queries, rules
from app.investors.models import IdentityDocument, Verification
from app.notices.models import Notice
from tests.functional.investors.conftest import Newcomer
from tests.unchanged import refused


def paper(nina: Newcomer, **changes: Any) -> IdentityDocument:
    fields = {
        "kind": "passport", "filename": "passport.pdf", "media_type": "application/pdf", "sha256": "a" * 64,
        "size_bytes": 1000, "now": nina.stage.now, **changes,
    }
    return nina.db.unit_of_work(
        lambda session: identity.add_paper(session, actor=nina.actor, party_id=nina.party, **fields)
    )


def refuse(nina: Newcomer, verification_id: str, **changes: Any) -> Verification:
    fields = {"actor": nina.operator, "reason_code": "document_unreadable", "now": nina.stage.now, **changes}
    return nina.db.unit_of_work(lambda session: identity.refuse(session, verification_id=verification_id, **fields))


def notices(nina: Newcomer) -> list[str]:
    nina.stage.work()
    with nina.db.read() as session:
        return list(session.scalars(sa.select(Notice.kind).where(Notice.user_id == nina.actor.user_id)))


def test_ppl_3_none_pending_refused_verified_expired(nina: Newcomer) -> None:
    assert nina.state() == "none"
    first = nina.ask()
    assert nina.state() == "pending"
    assert nina.ask().public_id == first.public_id  # a second request while one waits is the same
    refuse(nina, first.public_id, note="The lower edge is cut off.")
    assert nina.state() == "refused"
    second = nina.ask()
    assert nina.state() == "pending"
    until = nina.stage.now + dt.timedelta(days=60)
    nina.verify(second.public_id, expires_at=until)
    nina.verify(second.public_id, expires_at=until)  # twice changes nothing
    assert nina.state() == "verified"
    # It is told of before it ends, and ends by its own date even if no worker ran.
    nina.stage.advance_to(until - dt.timedelta(days=rules.EXPIRY_NOTICE_DAYS))
    with nina.db.read() as session:
        standing = queries.standing(session, nina.party)
    assert standing.verification(until - dt.timedelta(microseconds=1)) == "verified"
    assert standing.verification(until) == "expired"
    nina.stage.advance_to(until)
    assert nina.state() == "expired"
    assert notices(nina) == ["verification_refused", "verification_verified", "verification_expiring",
                             "verification_expired"]
    with nina.db.read() as session:
        actions = session.scalars(sa.select(LogEntry.action).where(LogEntry.object_id == second.public_id)).all()
        assert queries.verified_name(session, nina.party) == "Nina Newcomer"
    assert list(actions) == ["verification.requested", "verification.verified", "verification.expired"]


def test_ppl_3_a_renewal_leaves_the_check_in_force_until_it_is_decided(nina: Newcomer) -> None:
    nina.verify(nina.ask().public_id)
    renewal = nina.ask(legal_name="Nina Newname")
    assert nina.state() == "verified"
    refuse(nina, renewal.public_id)
    assert nina.state() == "verified"
    again = nina.ask(legal_name="Nina Newname")
    nina.verify(again.public_id)
    with nina.db.read() as session:
        assert [each.state for each in queries.verifications(session, nina.party)] == ["verified", "refused", "expired"]
        assert queries.verified_name(session, nina.party) == "Nina Newname"
    assert "verification_expired" not in notices(nina)


def test_ppl_3_silence_verifies_nobody_and_operators_are_reminded_once(nina: Newcomer) -> None:
    # Friday to Wednesday: three business days (TIM-1).
    row = nina.ask(now=dt.datetime(2099, 11, 20, 10, tzinfo=dt.UTC))
    assert row.due_at == dt.datetime(2099, 11, 25, 10, tzinfo=dt.UTC)
    waiting = nina.ask()
    nina.db.unit_of_work(
        lambda session: session.execute(sa.update(Verification).values(due_at=nina.stage.now + dt.timedelta(days=1)))
    )
    assert waiting.public_id == row.public_id
    nina.stage.advance(days=2)
    nina.stage.advance(days=2)
    assert nina.state() == "pending"
    with nina.db.read() as session:
        kinds = session.scalars(sa.select(Notice.kind).where(Notice.user_id == nina.operator.user_id)).all()
    assert list(kinds) == ["verification_overdue"]


def test_ppl_2_only_another_operator_with_a_second_factor_decides(nina: Newcomer) -> None:
    import dataclasses

    row = nina.ask()
    with refused(nina.db, "second_factor_needed"):
        nina.verify(row.public_id, actor=dataclasses.replace(nina.operator, second_factor=False))
    with refused(nina.db, "forbidden"):
        nina.verify(row.public_id, actor=nina.actor)
    himself = dataclasses.replace(nina.operator, user_id=nina.actor.user_id)
    with refused(nina.db, "own_case"):
        nina.verify(row.public_id, actor=himself)
    with refused(nina.db, "reason_needed"):
        refuse(nina, row.public_id, reason_code="because")
    with refused(nina.db, "note_needed"):
        refuse(nina, row.public_id, reason_code="other")
    with refused(nina.db, "expiry_form"):
        nina.verify(row.public_id, expires_at=nina.stage.now)
    with refused(nina.db, "verification_not_found"):
        nina.verify("ver_nobody")
    refuse(nina, row.public_id)
    with refused(nina.db, "decided_already"):
        nina.verify(row.public_id)


def test_papers_are_limited_and_frozen_once_they_are_sent(nina: Newcomer) -> None:
    check = identity.ByOperator(needs_papers=True)
    with refused(nina.db, "paper_missing"):
        nina.ask(check=check)
    proof = paper(nina, kind="proof_of_address")
    with refused(nina.db, "paper_missing"):
        nina.ask(check=check)
    for changes, code in (
        ({"kind": "library_card"}, "paper_kind"), ({"media_type": "text/html"}, "paper_type"),
        ({"size_bytes": rules.MAX_PAPER_BYTES + 1}, "paper_size"), ({"size_bytes": 0}, "paper_size"),
    ):
        with refused(nina.db, code):
            paper(nina, **changes)
    for _more in range(rules.MAX_PAPERS - 1):
        passport = paper(nina)
    with refused(nina.db, "papers_many"):
        paper(nina)
    nina.db.unit_of_work(
        lambda session: identity.remove_paper(
            session, actor=nina.actor, paper_id=passport.public_id, now=nina.stage.now
        )
    )
    row = nina.ask(check=check)
    with nina.db.read() as session:
        assert len(queries.check_by_id(session, row.public_id).papers) == rules.MAX_PAPERS - 1
    with refused(nina.db, "paper_sent"):
        nina.db.unit_of_work(
            lambda session: identity.remove_paper(
                session, actor=nina.actor, paper_id=proof.public_id, now=nina.stage.now
            )
        )


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"legal_name": " "}, "name_form"),
        ({"country": "Germany"}, "country_form"), ({"country": "de"}, "country_form"),
        ({"born_on": dt.date(2999, 1, 1)}, "birth_form"), ({"born_on": dt.date(1899, 12, 31)}, "birth_form"),
    ],
)
def test_particulars_that_cannot_be_checked_are_refused(nina: Newcomer, changes: dict, code: str) -> None:
    with refused(nina.db, code):
        nina.ask(**changes)
