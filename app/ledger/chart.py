"""The chart of accounts: how each account is addressed, and on which side it normally stands.

Pure. The meaning of every account is in docs/ledger.md. An address is made of public ids, so that an
export can be read without the database; accounts are per offering, so that two offerings never wait
for each other.
"""

from __future__ import annotations

from dataclasses import dataclass

DEBIT = "debit"
CREDIT = "credit"

#: first part of the address → normal side. ``suspense`` may stand on either and may go below zero.
SIDES = {
    "cash": DEBIT,
    "expense": DEBIT,
    "loss": DEBIT,
    "receivable": DEBIT,
    "unissued": DEBIT,
    "reserved": DEBIT,
    "outstanding": DEBIT,
    "escrow": CREDIT,
    "disputed": CREDIT,
    "unapplied": CREDIT,
    "refunds": CREDIT,
    "unclaimed": CREDIT,
    "payable": CREDIT,
    "paying": CREDIT,
    "fees": CREDIT,
    "capital": CREDIT,
    "authorised": CREDIT,
}

#: Accounts of a token class, which several offerings may share.
OF_CLASS = ("unissued", "outstanding", "authorised")

#: Accounts that owe an offering's money to somebody: what its cash must cover. What is ``disputed`` is covered by what
#: the rail owes until it has decided.
OWED = ("escrow", "unapplied", "refunds", "unclaimed", "payable", "paying")


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """An account's identity: its address and the asset it holds (``USD/2``, ``HALDEN-A/0``)."""

    address: str
    asset: str

    @property
    def kind(self) -> str:
        """The first part of the address: what the account is for."""
        return self.address.split(":", 1)[0]

    @property
    def side(self) -> str:
        return SIDES[self.kind]

    @property
    def owner(self) -> str:
        """The last part of the address: an offering, a token class, ``platform`` or ``reserve``."""
        return self.address.rsplit(":", 1)[-1]

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to no single offering: ours, and those of a token class."""
        return self.owner in ("platform", "reserve") or self.kind in OF_CLASS


def cash(rail: str, offering: str, asset: str) -> Account:
    """Money at the rail for one offering."""
    return Account(f"cash:{rail}:{offering}", asset)


def platform_cash(rail: str, asset: str) -> Account:
    """Our own float at the rail, and swept fees."""
    return Account(f"cash:{rail}:platform", asset)


def reserve_cash(rail: str, asset: str) -> Account:
    """Our own money that stands in for released money which can still be taken back."""
    return Account(f"cash:{rail}:reserve", asset)


def rail_expense(rail: str, offering: str, asset: str) -> Account:
    """What the provider kept of this offering's payments."""
    return Account(f"expense:{rail}:{offering}", asset)


def loss(offering: str, asset: str) -> Account:
    """Written off for this offering, at our own cost."""
    return Account(f"loss:platform:{offering}", asset)


def disputed_receivable(rail: str, offering: str, asset: str) -> Account:
    """Taken by the rail because a payer disputes a payment; whether it comes back is open."""
    return Account(f"receivable:dispute:{rail}:{offering}", asset)


def claim(issuer: str, offering: str, asset: str) -> Account:
    """Our claim on the issuer: released money that was taken back and could not be set off."""
    return Account(f"receivable:issuer:{issuer}:{offering}", asset)


def escrow(offering: str, asset: str) -> Account:
    """Unreleased money owed to investors."""
    return Account(f"escrow:{offering}", asset)


def disputed(offering: str, asset: str) -> Account:
    """Investors' money under an open dispute, out of every release and refund."""
    return Account(f"disputed:{offering}", asset)


def unapplied(rail: str, offering: str, asset: str) -> Account:
    """Received, but not (yet) for a held commitment."""
    return Account(f"unapplied:{rail}:{offering}", asset)


def refunds(offering: str, asset: str) -> Account:
    """Owed back to investors."""
    return Account(f"refunds:{offering}", asset)


def unclaimed(offering: str, asset: str) -> Account:
    """Owed back, but could not be paid back; has an owner and a date."""
    return Account(f"unclaimed:{offering}", asset)


def payable(issuer: str, offering: str, asset: str) -> Account:
    """Released to the issuer, not sent."""
    return Account(f"payable:{issuer}:{offering}", asset)


def paying(issuer: str, offering: str, asset: str) -> Account:
    """Reserved for one payout in flight."""
    return Account(f"paying:{issuer}:{offering}", asset)


def fees(offering: str, asset: str) -> Account:
    """Our income from this offering, until it is swept."""
    return Account(f"fees:{offering}", asset)


def capital(asset: str) -> Account:
    """Our own money behind the float."""
    return Account("capital:platform", asset)


def authorised(token_class: str, token: str) -> Account:
    """Contra of all tokens of the class."""
    return Account(f"authorised:{token_class}", token)


def unissued(token_class: str, token: str) -> Account:
    """Authorised and promised to nobody."""
    return Account(f"unissued:{token_class}", token)


def reserved(offering: str, token: str) -> Account:
    """Promised to an offering's investors, not issued."""
    return Account(f"reserved:{offering}", token)


def outstanding(token_class: str, token: str) -> Account:
    """Issued: equals the register."""
    return Account(f"outstanding:{token_class}", token)
