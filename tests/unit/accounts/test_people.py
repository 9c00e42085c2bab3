"""Users, parties and memberships (PPL-2), also when two requests come at once."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.accounts import invitations, passwords, queries, service
from app.accounts.actor import SYSTEM
from app.accounts.models import Membership, User
from app.db import Database
from app.errors import Forbidden, Refused

NOW = dt.datetime(2027, 3, 4, 9, 0, tzinfo=dt.UTC)


def create(db: Database, role: str, email: str, **more: object) -> User:
    return db.unit_of_work(
        lambda s: service.create_user(
            s, email=email, name=email.split("@")[0], password_hash=passwords.NO_PASSWORD, role=role, now=NOW, **more
        )
    )


def test_an_issuer_is_a_party_of_its_own(db: Database) -> None:
    fay = create(db, "founder", "Fay@acme.example")

    def found(session: service.Session) -> int:
        party = service.create_legal_party(session, name="Acme  Ltd", now=NOW)
        service.add_member(session, user_id=fay.id, party_id=party.id, role="founder", now=NOW)
        service.add_member(session, user_id=fay.id, party_id=party.id, role="founder", now=NOW)
        return party.id

    acme = db.unit_of_work(found)
    with db.read() as session:
        actor = queries.actor_for(session, fay.id)
        assert queries.party_name(session, acme) == "Acme Ltd"
        assert [user.id for user in queries.members_of(session, acme)] == [fay.id]
        assert queries.mail_domains_of(session, acme) == {"acme.example"}
    assert actor.parties("founder") == {fay.party_id, acme}
    assert actor.acts_for(acme, "founder")
    assert not actor.acts_for(acme, "investor")
    assert not actor.second_factor


def test_auditors_count_once_approved(db: Database) -> None:
    aude = create(db, "auditor", "aude@firm.example")
    with db.read() as session:
        assert queries.auditors(session) == []
        assert queries.actor_for(session, aude.id).roles == frozenset()
        (waiting, _user), = queries.waiting_auditors(session)
    investor = create(db, "investor", "ines@example.com")
    with db.read() as session:
        ines = queries.actor_for(session, investor.id, second_factor=True)
    with pytest.raises(Forbidden):
        db.unit_of_work(lambda s: service.approve_auditor(s, actor=ines, membership_id=waiting.id, now=NOW))
    db.unit_of_work(lambda s: service.approve_auditor(s, actor=SYSTEM, membership_id=waiting.id, now=NOW))
    with db.read() as session:
        assert [row.party_id for row in queries.auditors(session)] == [aude.party_id]


@pytest.mark.tampers  # a membership is deleted by hand to begin with a user who has none
def test_ppl_2_two_halves_of_a_forbidden_pair_at_once(db: Database) -> None:
    """An investor's request and an operator's grant meet: one of the two is refused, whatever the order."""
    user = create(db, "auditor", "aude@firm.example")
    db.unit_of_work(lambda s: s.execute(sa.delete(Membership).where(Membership.user_id == user.id)))
    ready = threading.Barrier(2)

    def add(role: str) -> bool:
        ready.wait()
        try:
            db.unit_of_work(
                lambda s: service.add_member(s, user_id=user.id, party_id=user.party_id, role=role, now=NOW)
            )
        except Refused as refused:
            assert refused.code == "roles_exclude"
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(add, ["investor", "operator"])) == [False, True]


def test_two_first_operators_at_once_are_one(db: Database) -> None:
    token = db.unit_of_work(lambda s: invitations.issue_setup_token(s, now=NOW))
    ready = threading.Barrier(2)

    def sign_up(n: int) -> bool:
        ready.wait()
        try:
            db.unit_of_work(
                lambda s: invitations.first_operator(
                    s, token=token, email=f"o{n}@example.com", name="O", password="correct horse battery", now=NOW
                )
            )
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(sign_up, range(2))) == [False, True]
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(User)) == 1


def test_a_setup_token_runs_out(db: Database) -> None:
    token = db.unit_of_work(lambda s: invitations.issue_setup_token(s, now=NOW))
    late = NOW + dt.timedelta(hours=24)
    with pytest.raises(Refused) as refused:
        db.unit_of_work(
            lambda s: invitations.first_operator(
                s, token=token, email="o@example.com", name="O", password="correct horse battery", now=late
            )
        )
    assert refused.value.code == "setup_token_unknown"
    with db.read() as session:
        assert not queries.has_operator(session)
