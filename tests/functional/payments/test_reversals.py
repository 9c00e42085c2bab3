"""Payments taken back: own money first, then set-off, a claim on the company, our loss; tokens with it (WND-4)."""

from __future__ import annotations

import datetime as dt

import pytest

from app.db import Database
from app.payments import claims, ports, queries, rules
from tests.factories import life as lives
from tests.functional.payments.court import Court, running

#: Everybody else in these stories: 1,500.00 of which 300.00 are released for 600 tokens.
OTHER = (120_000, 30_000, 600, 3_000)


def test_wnd_4_a_dispute_sets_apart_what_is_unreleased_and_the_float_lends_the_rest(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    assert court.figures() == [(80_000, 20_000, 400, 2_000), OTHER]
    court.dispute(0)
    assert court.journals("dispute_opened") == [{
        "receivable:dispute:sandbox:O": 100_000, "cash:sandbox:O": -100_000, "escrow:O": 80_000,
        "disputed:O": -80_000,
    }]
    assert court.journals("advanced") == [{"cash:sandbox:O": 20_000, "cash:sandbox:platform": -20_000}]
    assert court.figures() == [(0, 20_000, 400, 400), OTHER]
    assert court.commitment(court.life.commitments[0]).disputed_minor == 100_000
    assert court.offering().releases_stopped is None
    assert court.rail_agrees()
    [row] = court.reversals()
    assert row.due_at == row.opened_at + rules.DISPUTE_WINDOW + dt.timedelta(days=30)


def test_wnd_4_a_won_dispute_restores_everything_and_the_float(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    before, ours = court.figures(), court.ours()
    court.decide(court.dispute(0), "won")
    assert court.journals("dispute_won") == [{
        "receivable:dispute:sandbox:O": -100_000, "cash:sandbox:O": 100_000, "escrow:O": -80_000,
        "disputed:O": 80_000,
    }]
    assert (court.figures(), court.ours()) == (before, ours)
    assert court.commitment(court.life.commitments[0]).disputed_minor == 0
    lives.released(court.life, 1)
    lives.released(court.life, 2)
    assert court.figures() == [(0, 100_000, 2_000, 2_000), (0, 150_000, 3_000, 3_000)]
    assert court.register(0) == [("issued", 400), ("issued", 800), ("issued", 800)]


def test_wnd_4_lost_after_release_and_payout_is_a_claim_on_the_company_and_the_tokens_are_cancelled(
    db: Database,
) -> None:
    court = running(db, 100_000, 150_000)
    court.decide(court.dispute(0), "lost")
    assert court.split() == {"escrow": 80_000, "claim": 20_000}
    [journal] = court.journals("dispute_lost")
    tokens = {account.split(":")[0]: amount for account, amount in journal.items()
              if account.split(":")[0] in ("outstanding", "reserved", "unissued")}
    assert tokens == {"outstanding": -400, "reserved": -1_600, "unissued": 2_000}
    money = {account: amount for account, amount in journal.items() if account.split(":")[0] not in tokens}
    assert money == {
        "disputed:O": 80_000, "receivable:issuer:I:O": 20_000, "receivable:dispute:sandbox:O": -100_000,
    }
    assert court.register(0) == [("issued", 400), ("cancelled", -400)]
    assert court.figures() == [(0, 0, 0, 0), OTHER]
    assert court.commitment(court.life.commitments[0]).status == "reversed"
    [claim] = court.claims()
    assert (claim.amount_minor, claim.left_minor, claim.state) == (20_000, 20_000, "open")
    # What is left belongs to those who are left, to the cent, in two tranches (MIL-1).
    lives.released(court.life, 1)
    assert court.figures()[1] == (60_000, 90_000, 1_800, 3_000)


def test_wnd_4_what_the_company_has_not_been_sent_is_set_off_first(db: Database) -> None:
    court = running(db, 250_000, payee_ref="sbx_acct_fails")
    # 20 % is 500.00, less 5 % fee: 475.00 are payable; the payee's account is closed.
    ours = court.ours()
    court.decide(court.dispute(0), "lost")
    assert court.split() == {"escrow": 200_000, "set_off": 47_500, "claim": 2_500}
    assert [(each.status, each.set_off_minor) for each in court.payouts()] == [("set_off", 47_500)]
    assert court.balances().get("payable:I:O", 0) == 0
    assert court.ours() == ours - 2_500, "only the claim is still lent"
    court.life.stage.advance(days=9)
    assert [each.state for each in court.operations("payout")] == ["failed"], "nothing is tried again"


def test_wnd_4_a_return_after_a_release_follows_the_same_way_at_once(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    court.tell_returned(court.life.commitments[0])
    [journal] = court.journals("payment_returned")
    assert (journal["escrow:O"], journal["receivable:issuer:I:O"], journal["cash:sandbox:O"]) == (
        80_000, 20_000, -100_000
    )
    assert court.figures() == [(0, 0, 0, 0), OTHER]
    assert court.payment(court.life.commitments[0]).state == "succeeded"
    assert court.offering().releases_stopped is None


def test_wnd_4_a_part_disputed_takes_own_unreleased_money_only(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    ref = court.dispute(0, 25_033)
    # 749.67 buy 1,499 tokens; the other 501 stand apart with the 250.33.
    assert court.figures() == [(54_967, 20_000, 400, 1_499), OTHER]
    assert court.reversals()[0].tokens == 501
    court.decide(ref, "lost")
    assert court.figures() == [(54_967, 20_000, 400, 1_499), OTHER]
    assert court.split() == {"escrow": 25_033}
    assert court.commitment(court.life.commitments[0]).status == "held"
    lives.released(court.life, 1)
    lives.released(court.life, 2)
    assert court.figures() == [(0, 74_967, 1_499, 1_499), (0, 150_000, 3_000, 3_000)]


def test_wnd_4_two_disputes_of_one_payment_that_are_won_lose_nobody_a_token(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    before = court.figures()
    first, second = court.dispute(0, 33), court.dispute(0, 33)
    assert [row.tokens for row in court.reversals()] == [1, 1]
    court.decide(first, "won")
    court.decide(second, "withdrawn")
    assert court.figures() == before
    assert [row.outcome for row in court.reversals()] == ["won", "withdrawn"]


def test_wnd_4_a_dispute_that_nobody_decides_counts_as_lost_and_a_win_restores_it(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    before, ours = court.figures(), court.ours()
    ref = court.dispute(0)
    due_at = court.reversals()[0].due_at
    assert due_at is not None
    court.skip(seconds=int((due_at - court.life.stage.now).total_seconds()) - 60)
    court.work("end_disputes")
    assert court.reversals()[0].state == "open"
    court.skip(seconds=61)
    court.work("end_disputes")
    row = court.reversals()[0]
    assert (row.state, row.outcome, court.split()) == ("lost", "silence", {"escrow": 80_000, "claim": 20_000})
    assert court.figures() == [(0, 0, 0, 0), OTHER]
    assert court.commitment(court.life.commitments[0]).status == "held"
    court.decide(ref, "won")
    assert (court.figures(), court.ours()) == (before, ours)
    assert court.register(0) == [("issued", 400), ("cancelled", -400), ("restored", 400)]
    assert [(each.state, each.won_back_minor) for each in court.claims()] == [("won_back", 20_000)]
    assert court.rail_agrees()


def test_wnd_4_what_a_late_win_owes_the_company_again_is_paid_out(db: Database) -> None:
    court = running(db, 250_000, payee_ref="sbx_acct_fails")
    ref = court.dispute(0)
    court.skip(days=106)
    court.work("end_disputes")
    assert court.split() == {"escrow": 200_000, "set_off": 47_500, "claim": 2_500}
    court.decide(ref, "won")
    assert [(each.status, each.amount_minor, each.set_off_minor) for each in court.payouts()] == [
        ("set_off", 47_500, 47_500), ("waiting", 47_500, 0),
    ]
    court.work("reserve_payouts")
    assert court.operations("payout")[-1].amount_minor == 47_500
    assert court.figures() == [(200_000, 50_000, 1_000, 5_000)]


def test_wnd_4_the_rails_word_after_ours_makes_it_final(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    ref = court.dispute(0)
    court.skip(days=106)
    court.work("end_disputes")
    court.decide(ref, "lost")
    assert court.reversals()[0].outcome == "lost"
    assert court.commitment(court.life.commitments[0]).status == "reversed"
    assert len(court.journals("dispute_lost")) == 1


def test_wnd_4_before_the_close_a_dispute_frees_the_place_and_a_won_one_goes_back(db: Database) -> None:
    court = Court(lives.live(db, investors=1))
    court.life.commitments.append(court.invest("instant", 100_000))
    ref = court.dispute(0)
    assert court.commitment(court.life.commitments[0]).status == "reversed"
    assert (court.offering().committed_minor, court.balances()) == (
        0, {"receivable:dispute:sandbox:O": 100_000, "disputed:O": 100_000}
    )
    court.decide(ref, "won")
    assert court.journals("dispute_won") == [{
        "cash:sandbox:O": 100_000, "receivable:dispute:sandbox:O": -100_000, "disputed:O": 100_000,
        "refunds:O": -100_000,
    }]
    court.work()
    assert [(each.status, each.reason) for each in court.refunds()] == [("done", "dispute_won")]
    assert court.balances() == {}


def test_wnd_4_a_part_disputed_before_the_close_ends_the_commitment_and_the_rest_goes_back(db: Database) -> None:
    court = Court(lives.live(db, investors=1))
    court.life.commitments.append(court.invest("instant", 100_000))
    ref = court.dispute(0, 30_000)
    assert court.balances() == {
        "cash:sandbox:O": 70_000, "receivable:dispute:sandbox:O": 30_000, "disputed:O": 30_000, "refunds:O": 70_000,
    }
    court.work()
    assert [each.status for each in court.refunds()] == ["open"], "the rail gives nothing back while it is disputed"
    court.decide(ref, "lost")
    court.work()
    assert [each.status for each in court.refunds()] == ["done"]
    assert court.balances() == {}


def test_wnd_4_money_gone_twice_is_our_loss_and_no_refund_is_sent_twice(db: Database) -> None:
    court = Court(lives.live(db, investors=1))
    court.fund(500_000)
    court.life.commitments.append(court.invest("instant", 100_000))
    court.cancel(court.life.commitments[0])
    court.work()
    ours = court.ours()
    ref = court.dispute(0)
    assert court.ours() == ours - 100_000
    assert court.balances() == {"receivable:dispute:sandbox:O": 100_000}
    court.decide(ref, "lost")
    assert court.split() == {"loss": 100_000}
    assert court.balances() == {"loss:platform:O": 100_000}
    assert len(court.operations("refund")) == 1
    assert court.rail_agrees()


def test_wnd_4_a_return_while_its_refund_is_on_its_way_ends_that_refund_when_it_fails(db: Database) -> None:
    court = Court(lives.live(db, investors=1))
    court.fund(500_000)
    court.life.commitments.append(court.invest("instant", 100_000))
    court.cancel(court.life.commitments[0])
    court.work("start_refunds")
    [refund] = court.operations("refund")
    court.tell_returned(court.life.commitments[0])
    assert court.split() == {"loss": 100_000}
    request = court.claim(refund.id)
    assert request.kind == "refund"
    court.tell(refund.id, ports.Rejected("source_returned", "The bank took it back already."))
    assert [(each.status, each.reason) for each in court.refunds()] == [("done", "returned by the bank")]
    assert court.split() == {"owed": 100_000}
    assert court.balances() == {}


def test_com_10_a_disputed_payment_of_which_shares_are_carried_sets_them_apart(db: Database) -> None:
    court = running(db, 100_000, 150_000, methods=("ach", "instant"))
    assert court.figures() == [(100_000, 0, 0, 2_000), OTHER]
    ref = court.dispute(0)
    assert court.figures() == [(0, 0, 0, 0), OTHER]
    court.life.stage.advance(days=61)
    assert court.figures() == [(0, 0, 0, 0), OTHER], "it has seasoned, and is still disputed"
    court.decide(ref, "won")
    court.life.stage.work()
    assert court.figures() == [(80_000, 20_000, 400, 2_000), OTHER]


def test_wnd_4_money_won_in_a_wind_down_goes_back_to_its_investor_alone(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    ref = court.dispute(0)
    court.life.stage.resign(court.life.founder, court.life.offering_id, reason="The company ends.")
    court.life.stage.work()
    assert court.offering().state == "winding_down", "the disputed money is nobody's yet"
    assert court.figures() == [(0, 20_000, 400, 400), (0, 30_000, 600, 600)]
    court.decide(ref, "won")
    assert [(each.amount_minor, each.reason) for each in court.refunds()] == [
        (120_000, "founder_resigned"), (80_000, "dispute_won"),
    ]
    court.life.stage.work()
    assert court.offering().state == "wound_down"
    assert court.figures() == [(0, 20_000, 400, 400), (0, 30_000, 600, 600)]


def test_wnd_4_after_the_end_a_dispute_leaves_the_offering_ended(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    lives.released(court.life, 1)
    lives.released(court.life, 2)
    court.life.stage.advance(days=8)
    assert court.offering().state == "completed"
    ref = court.dispute(0)
    assert (court.offering().state, court.balances()["receivable:dispute:sandbox:O"]) == ("completed", 100_000)
    court.decide(ref, "lost")
    assert court.split() == {"claim": 100_000}
    assert (court.offering().state, court.figures()) == ("completed", [(0, 0, 0, 0), (0, 150_000, 3_000, 3_000)])


def test_wnd_4_with_a_short_float_nothing_is_posted_and_releases_stop_until_it_is_funded(db: Database) -> None:
    court = running(db, 250_000, float_minor=0)
    before = court.balances()
    court.dispute(0)
    operation = court.payment(court.life.commitments[0])
    assert (operation.state, operation.failure_code, court.balances()) == ("needs_operator", "float_short", before)
    assert operation.public_id in (court.offering().releases_stopped or "")
    court.fund(100_000)
    court.tell(operation.id, court.rail.fetch(operation.provider_ref or "").outcome)  # type: ignore[union-attr]
    assert court.offering().releases_stopped is None
    assert court.balances() == {"receivable:dispute:sandbox:O": 250_000, "disputed:O": 200_000}


def test_wnd_4_the_reserve_lends_first_for_money_that_could_be_taken_back(db: Database) -> None:
    from app.payments import reserve

    court = running(db, 100_000, 150_000, methods=("ach", "instant"))
    court.act(
        lambda session, now: reserve.fund_reserve(
            session, actor=court.life.operator, amount_minor=50_000, asset="USD/2", now=now
        )
    )
    court.life.stage.work()
    assert court.figures()[0] == (80_000, 20_000, 400, 2_000), "the reserve covers it"
    ref = court.dispute(0)
    assert court.journals("advanced") == [{"cash:sandbox:O": 20_000, "cash:sandbox:reserve": -20_000}]
    [standing] = court.read(lambda session: reserve.standing(session, now=court.life.stage.now))
    assert (standing.held_minor, standing.exposure_minor) == (30_000, 0)
    court.decide(ref, "won")
    [standing] = court.read(lambda session: reserve.standing(session, now=court.life.stage.now))
    assert (standing.held_minor, standing.exposure_minor) == (50_000, 20_000)


@pytest.mark.parametrize(("method", "state"), [("disputed_won", "won"), ("disputed_lost", "lost")])
def test_a_sandbox_card_disputes_by_itself(db: Database, method: str, state: str) -> None:
    court = Court(lives.live(db, investors=1))
    court.life.commitments.append(court.invest(method, 100_000))
    court.life.stage.advance(days=11)
    assert [row.state for row in court.reversals()] == ["open"]
    court.life.stage.advance(days=30)
    assert [row.state for row in court.reversals()] == [state]
    assert court.read(lambda session: queries.rail_matches_ledger(session, court.offering()))


# -- the claim on the company ---------------------------------------------------------------------------


def owed(db: Database) -> Court:
    """Return an offering whose company owes 200.00 that it was paid and that was taken back."""
    court = running(db, 100_000, 150_000)
    court.decide(court.dispute(0), "lost")
    return court


def test_wnd_4_a_claim_is_set_off_against_the_next_release_before_anything_is_paid_out(db: Database) -> None:
    court = owed(db)
    ours = court.ours()
    lives.released(court.life, 1)
    # 600.00 less 5 % are 570.00: 200.00 are set off and 370.00 are sent.
    assert court.journals("claim_set_off") == [{"payable:I:O": 20_000, "receivable:issuer:I:O": -20_000}]
    assert [(each.amount_minor, each.set_off_minor) for each in court.payouts()] == [(47_500, 0), (57_000, 20_000)]
    [claim] = court.claims()
    assert (claim.state, claim.set_off_minor, court.ours() - ours >= 20_000) == ("settled", 20_000, True)
    assert [each.amount_minor for each in court.operations("payout")] == [47_500, 37_000]


def test_wnd_4_the_company_pays_a_claim_in_parts_and_the_same_key_posts_once(db: Database) -> None:
    court = owed(db)
    [claim] = court.claims()
    ours = court.ours()
    for key in ("a", "a", "b"):
        court.act(
            lambda session, now, key=key: claims.pay(
                session, actor=court.life.operator, claim_id=claim.public_id, amount_minor=10_000,
                reference="2027-05-01/17", key=key, now=now,
            )
        )
    assert court.journals("claim_paid") == [{"cash:sandbox:platform": 10_000, "receivable:issuer:I:O": -10_000}] * 2
    assert (court.ours() - ours, court.claims()[0].state) == (20_000, "settled")


def test_ppl_2_giving_a_claim_up_takes_two_operators_and_is_our_loss(db: Database) -> None:
    from tests.unchanged import refused

    court = owed(db)
    [claim] = court.claims()
    second = court.life.stage.person("operator", "Otto Operator")

    def give_up(actor) -> None:  # type: ignore[no-untyped-def]
        court.act(
            lambda session, now: claims.give_up(
                session, actor=actor, claim_id=claim.public_id, reason="The company is gone.", now=now
            )
        )

    give_up(court.life.operator)
    assert court.claims()[0].state == "open"
    with refused(db, "four_eyes"):
        give_up(court.life.operator)
    give_up(second)
    assert court.journals("claim_given_up") == [{"loss:platform:O": 20_000, "receivable:issuer:I:O": -20_000}]
    assert court.claims()[0].state == "given_up"
    with refused(db, "claim_settled"):
        give_up(second)


def test_tim_5_a_claim_that_is_not_paid_stays_owed_and_is_told_once(db: Database) -> None:
    court = owed(db)
    court.skip(days=31)
    court.work("remind_claims")
    assert (court.logged("claim.overdue"), court.claims()[0].state) == (1, "open")
    court.skip(days=31)
    court.work("remind_claims")
    assert court.logged("claim.overdue") == 1
