"""What one reversal is about, and where its amount comes from: the steps of the waterfall (WND-4).

Everybody's own money comes first: what is on its way back to the payer, then their unreleased money. The arithmetic is
``milestones.reversal``, the accounts aside are ``standing``; when each step is taken is ``reversals``'s.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import reversing
from app.commitments import service as commitments
from app.commitments.models import Commitment
from app.contracts.models import Milestone
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings.models import Issuer, Offering, TokenClass
from app.payments import claims, ports, standing, subjects
from app.payments.models import Operation
from app.payments.reversal_models import Reversal
from milestones import reversal as waterfall
from milestones import states
from milestones.money import Asset

#: Before the close a payment taken back ends its commitment; after it the commitment keeps what is left of it.
RAISING = ("live", "clearing")


class Scene:
    """What one reversal is about: its payment, offering and commitment, all locked, and their accounts."""

    def __init__(self, session: Session, operation: Operation) -> None:
        self.operation = operation
        self.offering: Offering = subjects.lock_offering(session, operation.offering_id)
        self.commitment: Commitment = subjects.lock_commitment(session, operation.commitment_id or 0)
        self.token_class = session.get_one(TokenClass, self.offering.token_class_id)
        self.issuer = session.get_one(Issuer, self.offering.issuer_id)
        self.price = (self.offering.price_micro, Asset.parse(self.offering.currency))

    @property
    def is_raising(self) -> bool:
        return self.offering.state in RAISING

    @property
    def address(self) -> tuple[str, str]:
        return self.offering.public_id, self.offering.currency

    @property
    def cash(self) -> chart.Account:
        return chart.cash(self.operation.rail, *self.address)

    @property
    def receivable(self) -> chart.Account:
        return chart.disputed_receivable(self.operation.rail, *self.address)

    @property
    def payable(self) -> chart.Account:
        return chart.payable(self.issuer.public_id, *self.address)

    @property
    def claim(self) -> chart.Account:
        return chart.claim(self.issuer.public_id, *self.address)

    def tokens(self, *, cancelled: int = 0, lapsed: int = 0) -> list[ledger.Line]:
        """Return the token leg: issued tokens cancelled, tokens to come lapsed; below zero the other way round."""
        of_class = self.token_class.public_id, self.token_class.asset
        return [
            ledger.debit(chart.unissued(*of_class), cancelled + lapsed),
            ledger.credit(chart.outstanding(*of_class), cancelled),
            ledger.credit(chart.reserved(self.offering.public_id, self.token_class.asset), lapsed),
        ]


class OwnMoney:
    """What of an amount is the payer's own: aside, and in escrow; ``lines`` debit it (and credit what goes back)."""

    def __init__(self, aside: standing.Aside) -> None:
        self.aside = aside
        self.lines = list(aside.debits)
        self.escrow_taken = 0
        self.tokens = 0
        self.rest_minor = 0
        self.left_minor = 0
        self.ends_whole = False
        self.holding: waterfall.Holding | None = None


def own_money(
    session: Session, scene: Scene, amount_minor: int, now: dt.datetime, *, is_final: bool = False
) -> OwnMoney:
    """Find what of ``amount_minor`` is still the payer's own, in the order of the waterfall; nothing is written yet.

    Before the close the whole commitment ends, and what is left of it goes back. ``is_final``: nothing is set apart any
    more, what escrow gives leaves for good by :func:`released_and_gone`.
    """
    found = OwnMoney(
        standing.find(session, scene.operation, scene.offering, scene.commitment, amount_minor, now=now)
        if amount_minor else standing.Aside()
    )
    found.left_minor = amount_minor - found.aside.taken_minor
    cleared = subjects.effects_of(session, scene.operation.id)[ports.CLEARED].amount_minor
    if not found.left_minor or scene.commitment.status != "held" or not standing.is_in_commitment(
        session, scene.operation, cleared
    ):
        return found
    holding = reversing.holding_of(session, scene.commitment.id)
    escrow = chart.escrow(*scene.address)
    if scene.is_raising:
        found.ends_whole = holding.unreleased_minor > 0
        found.escrow_taken = min(found.left_minor, holding.unreleased_minor)
        found.rest_minor = holding.unreleased_minor - found.escrow_taken
        found.lines += [
            ledger.debit(escrow, holding.unreleased_minor),
            ledger.credit(chart.refunds(*scene.address), found.rest_minor),
        ]
        found.left_minor -= found.escrow_taken
        return found
    found.holding = holding
    if not is_final:
        apart = waterfall.set_apart(holding, found.left_minor, *scene.price)
        found.escrow_taken, found.tokens = apart.minor, apart.tokens
        found.lines.append(ledger.debit(escrow, apart.minor))
    return found


def released_and_gone(
    session: Session, scene: Scene, row: Reversal, found: OwnMoney
) -> tuple[list[ledger.Line], waterfall.Taken | None]:
    """Return the lines of what is taken for good beyond what was apart, and note on the reversal where it came from."""
    if found.holding is None:
        row.loss_minor = found.left_minor
        lapsed = scene.tokens(lapsed=row.tokens) if row.tokens else []
        return [*lapsed, ledger.debit(chart.loss(*scene.address), row.loss_minor)], None
    taken = waterfall.take(
        found.holding, found.left_minor, claims.payable_minor(session, scene.offering.id), *scene.price
    )
    apart_tokens = row.tokens
    row.escrow_minor += taken.unreleased_minor
    row.set_off_minor, row.claim_minor, row.loss_minor = taken.set_off_minor, taken.claim_minor, taken.loss_minor
    row.tokens = apart_tokens + taken.lapsed_tokens + taken.cancelled_tokens
    row.cancelled_tokens = taken.cancelled_tokens
    return [
        ledger.debit(chart.escrow(*scene.address), taken.unreleased_minor),
        ledger.debit(scene.payable, taken.set_off_minor),
        ledger.debit(scene.claim, taken.claim_minor),
        ledger.debit(chart.loss(*scene.address), taken.loss_minor),
        *scene.tokens(cancelled=taken.cancelled_tokens, lapsed=apart_tokens + taken.lapsed_tokens),
    ], taken


def follow(session: Session, scene: Scene, found: OwnMoney, posted: ledger.Posted, now: dt.datetime) -> None:
    """Let what was the payer's own follow from the journal: refunds, receipt, the commitment's statement."""
    standing.end(session, scene.operation, scene.commitment, found.aside, journal=posted, now=now)
    if found.ends_whole:
        commitments.reverse(session, scene.commitment, journal=posted, now=now)
        if found.rest_minor:
            standing.owe_other_parts(
                session, scene.operation, scene.commitment, found.rest_minor, journal=posted, now=now
            )
    elif found.escrow_taken and found.holding is not None:
        apart = waterfall.set_apart(found.holding, found.escrow_taken, *scene.price)
        reversing.write(session, scene.commitment, reversing.DISPUTED, apart.holding, journal=posted, now=now)


def can_take(session: Session, scene: Scene) -> bool:
    """Whether money can go back into escrow: the plan runs, something of it is still to be decided, and they are in it.

    Who has left a plan with all of their money is not brought back into it by a dispute that ends later (MIL-13).
    """
    if scene.offering.state != "active" or scene.commitment.status != "held" or reversing.has_left(
        session, scene.commitment.id
    ):
        return False
    return session.scalar(
        sa.select(Milestone.id)
        .where(
            Milestone.offering_id == scene.offering.id, Milestone.state.not_in(sorted(states.MILESTONE_TERMINAL))
        )
        .limit(1)
    ) is not None


def others_of(session: Session, row: Reversal) -> list[Reversal]:
    """Return what else is taken back of the same commitment, open disputes first."""
    return list(
        session.scalars(
            sa.select(Reversal)
            .where(
                Reversal.commitment_id == row.commitment_id, Reversal.id != row.id, Reversal.state != "won",
                Reversal.kind == "dispute",
            )
            .order_by(Reversal.state.desc(), Reversal.id)
        )
    )
