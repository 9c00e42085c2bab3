"""Payments that are less, more, doubtful or linked, sent by bank: for books with everything in them."""

from __future__ import annotations

from app.accounts.actor import Actor
from app.commitments import links
from app.commitments.models import Commitment, CommitmentLink
from app.db import Session
from app.payments import gateway, ports, rules
from tests.factories.life import Life


def transfer(life: Life, investor: Actor, committed: int, *sent: int, **payer: str) -> str:
    """Commit, and send money under the reference in as many parts; return the commitment's id."""
    stage = life.stage
    commitment_id = stage.commit(investor, life.offering_id, committed)
    operation_id = stage.pay(investor, commitment_id, rules.TRANSFER)
    for amount in sent:
        gateway.send_transfer(stage.db, stage.rails, operation_id, amount, ports.Payer(**payer))
    return commitment_id


def every_kind(life: Life) -> None:
    """Leave parts that wait, a doubtful name, an excess on its way, parts that became one, and links in two states."""
    stage = life.stage
    people = [stage.person("investor", name) for name in ("Ada Part", "Bo Doubt", "Cy Excess", "Di Parts", "Ed Link")]
    transfer(life, people[0], 60_000, 30_000, name="Ada Part", account="GB01")
    transfer(life, people[1], 50_000, 50_000, name="B. Doubt", account="GB02")
    transfer(life, people[2], 50_000, 50_777, name="Cy Excess", account="sbx_acct_ok")
    transfer(life, people[3], 50_000, 20_000, 31_000, name="Di Parts", account="GB04")
    transfer(life, people[4], 50_000, 50_000, name="Ed Link", account="GB04")
    stage.db.unit_of_work(lambda session: _contest(session, life, people[2]))


def _contest(session: Session, life: Life, investor: Actor) -> None:
    link = (
        session.query(CommitmentLink)
        .join(Commitment, Commitment.id == CommitmentLink.commitment_id)
        .filter(Commitment.party_id.in_(investor.parties("investor")))
        .one()
    )
    links.contest(session, actor=investor, link_id=link.public_id, words="It was mine before.", now=life.stage.now)
