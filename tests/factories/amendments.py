"""Let founders, investors and auditors of a life amend its plan: through the services."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from app.accounts.actor import Actor
from app.contracts import queries as contract_queries
from app.db import Database
from app.offerings.models import Offering
from app.progress import amending, amendment_effects, polls
from app.progress.amendment_models import Amendment, AmendmentExit
from milestones.document import to_document
from milestones.terms import Terms
from tests.factories import life as lives
from tests.factories.life import Life

Edit = Callable[[dict[str, Any]], None]
AMOUNTS = (100_000, 80_000, 60_000, 50_000, 50_000, 50_000)


def running(db: Database, *, amounts: tuple[int, ...] = AMOUNTS, **options: Any) -> Life:
    """Return a plan that runs for more than a day, so that it can be amended."""
    life = lives.active(db, amounts=amounts, **options)
    life.stage.advance(days=2)
    return life


def terms(life: Life) -> Terms:
    """Return the terms in force."""
    with life.stage.db.read() as session:
        offering = session.scalars(sa.select(Offering).where(Offering.public_id == life.offering_id)).one()
        return contract_queries.published_terms(session, offering.terms_version_id or 0).terms


def edited(life: Life, *edits: Edit) -> dict[str, Any]:
    """Return the terms in force as a document, changed."""
    document = copy.deepcopy(to_document(terms(life)))
    for edit in edits:
        edit(document)
    return document


def setting(key: str, **fields: Any) -> Edit:
    """Change fields of one milestone."""

    def edit(document: dict[str, Any]) -> None:
        next(each for each in document["milestones"] if each["key"] == key).update(fields)

    return edit


def measure(key: str, at_least: str) -> Edit:
    """Change what the first criterion of a milestone asks for."""

    def edit(document: dict[str, Any]) -> None:
        milestone = next(each for each in document["milestones"] if each["key"] == key)
        milestone["criteria"][0]["measure"]["at_least"] = at_least

    return edit


def shares(**by_key: int) -> Edit:
    """Change tranches, in basis points."""

    def edit(document: dict[str, Any]) -> None:
        for milestone in document["milestones"]:
            milestone["tranche_bp"] = by_key.get(milestone["key"], milestone["tranche_bp"])

    return edit


def propose(life: Life, *edits: Edit, by: Actor | None = None) -> str:
    """Propose a change of the terms and return its public id."""
    stage, document = life.stage, edited(life, *edits)
    return stage.db.unit_of_work(
        lambda session: amending.propose(
            session, actor=by or life.founder, offering_id=life.offering_id, document=document,
            reason="The supplier needs longer.", key=stage.key(), now=stage.now,
        )
    ).public_id


def amendment(life: Life) -> Amendment:
    """Return the newest proposal."""
    with life.stage.db.read() as session:
        return session.scalars(sa.select(Amendment).order_by(Amendment.id.desc()).limit(1)).one()


def poll(life: Life) -> polls.Poll:
    """Return the poll of the newest proposal."""
    with life.stage.db.read() as session:
        return amending.poll_of(session, session.scalars(sa.select(Amendment).order_by(Amendment.id.desc())).first())


def vote(life: Life, *choices: str) -> None:
    """Let the investors answer in their order: ``y``, ``n``, or ``-`` for silence."""
    stage, poll_id = life.stage, poll(life).public_id
    for investor, choice in zip(life.investors, "".join(choices), strict=False):
        if choice != "-":
            stage.db.unit_of_work(
                lambda session, investor=investor, choice=choice: polls.answer(
                    session, actor=investor, poll_id=poll_id, choice={"y": "yes", "n": "no"}[choice], key=stage.key(),
                    now=stage.now,
                )
            )


def count(life: Life) -> Amendment:
    """Let the vote end and the worker act; return the proposal then."""
    life.stage.advance_to(poll(life).ends_at)
    return amendment(life)


def leave(life: Life, number: int) -> AmendmentExit:
    """Let one of the investors leave."""
    stage, investor = life.stage, life.investors[number]
    return stage.db.unit_of_work(
        lambda session: amendment_effects.leave(
            session, actor=investor, amendment_id=amendment(life).public_id, party_id=stage.party(investor, "investor"),
            key=stage.key(), now=stage.now,
        )
    )


def take_effect(life: Life) -> Amendment:
    """Let the time to leave end and the worker act; return the proposal then."""
    until = amendment(life).leave_until
    assert until is not None
    life.stage.advance_to(until)
    return amendment(life)
