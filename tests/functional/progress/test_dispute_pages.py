"""Pages of doubts: challenge, join, judge, read what became of the sum, appeal (MIL-10)."""

from __future__ import annotations

from collections.abc import Callable

from app.db import Database
from tests.factories import disputes as acts
from tests.factories import halts
from tests.factories import life as lives
from tests.functional.visitor import Visitor

AsActor = Callable[..., Visitor]


def test_mil_10_a_holder_challenges_and_another_joins_and_leaves(db: Database, as_: AsActor) -> None:
    life, _jurors = acts.running(db)
    lives.reviewed(life, 1)
    life.stage.work()
    milestone_id = acts.row(life).public_id
    small, large = as_(life.investors[2]), as_(life.investors[1])
    page = small.open(f"/milestones/{milestone_id}")
    assert "Challenge the verdict" in page.text
    small.open(f"/milestones/{milestone_id}/challenge")
    page = small.send(criterion="revenue", reason="")
    assert (small.status, page.errors[0]) == (422, "Say why; investors, the company and the panel read it.")
    page = small.send(criterion="revenue", reason="The statement is of another month.")
    assert page.title == "Challenge of “Milestone 1”"
    assert "$425.00" in page.text and "it needs $637.50" in page.text and "it would fall" in page.text
    challenge_id = acts.the_challenge(life).public_id
    page = large.open(f"/challenges/{challenge_id}")
    assert "The statement is of another month." in page.text
    page = large.send()
    assert "You stand behind the challenge." in page.text and "it would count" in page.text
    page = large.send()
    assert "You no longer stand behind the challenge." in page.text
    large.open(f"/challenges/{challenge_id}")
    large.send()
    assert acts.to_deadline(life).state == "disputed"
    dispute = acts.newest(life)
    panel = acts.members(life, dispute)
    juror = as_(panel[0])
    assert "Panels you were drawn for" in juror.open("/auditor").text
    page = juror.open(f"/auditor/disputes/{dispute.public_id}")
    assert "The statement is of another month." in page.text
    page = juror.send(result_0="not_met", result_1="met", note_0="The month is wrong.")
    assert page.title == "Check, then sign" and "The month is wrong." in page.text
    page = juror.send()
    assert "Your findings are signed" in page.text
    # Nobody sees a finding before the decision.
    page = large.open(f"/disputes/{dispute.public_id}")
    assert "The month is wrong." not in page.text and "Signed" in page.text and "$4,500.00" in page.text
    for each in panel[1:]:
        acts.sign(life, each, dispute.public_id, "not_met")
    page = large.open(f"/disputes/{dispute.public_id}")
    assert "Stays in escrow" in page.text
    assert "The month is wrong." in page.text
    assert "Decided: not met" in large.open(f"/milestones/{milestone_id}").text
    stranger = as_(life.stage.person("investor", "Stranger"))
    stranger.open(f"/disputes/{dispute.public_id}")
    assert stranger.status == 404


def test_mil_10_a_founder_appeals_and_investors_vote_where_no_panel_is_found(db: Database, as_: AsActor) -> None:
    life, _jurors = acts.running(db, jurors=0, resubmissions=0)
    lives.reviewed(life, 1, "not_met")
    life.stage.work()
    milestone_id = acts.row(life).public_id
    founder, investor = as_(life.founder), as_(life.investors[0])
    assert "Appeal the verdict" in founder.open(f"/milestones/{milestone_id}").text
    founder.open(f"/milestones/{milestone_id}/appeal")
    page = founder.send(reason="The auditors read the wrong month.")
    assert page.title == "Dispute about “Milestone 1”" and "so the investors decide" in page.text
    life.stage.work()
    poll_id = _poll_id(life)
    page = investor.open(f"/polls/{poll_id}")
    assert page.title == "Is the disputed milestone of Halden Tidal met?"
    page = investor.send(choice="yes")
    assert "You voted that it is met" in page.text
    assert acts.to_deadline(life).state == "released"
    assert "Decided: met" in founder.open(f"/milestones/{milestone_id}").text


def _poll_id(life: lives.Life) -> str:
    return halts.poll(life).public_id
