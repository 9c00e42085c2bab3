"""Where an investor answers what the investors are asked, and where everybody can recount what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response
from wtforms import RadioField
from wtforms.validators import InputRequired

from app import clock, security, shell
from app.accounts import queries as people
from app.accounts.actor import Actor
from app.db import Session, get_db
from app.errors import MilestakeError
from app.forms import KeyedForm
from app.next_step import next_step
from app.progress import halt_queries, polls
from app.security import public, requires
from milestones import polls as rules
from milestones.money import Asset

blueprint = Blueprint("polls", __name__, url_prefix="/polls")

Answer = str | tuple[str, int] | Response


@dataclass(frozen=True, slots=True)
class PollWords:
    """``subject`` is the one in ``milestones.states.WAITING``; ``choices`` are the answers, the first for yes."""

    subject: str
    choices: Mapping[str, LazyString]


_END = PollWords("end_vote", {rules.YES: _l("Yes, end the plan"), rules.NO: _l("No, it goes on")})
_AMENDMENT = PollWords("amendment", {rules.YES: _l("Yes, change the plan"), rules.NO: _l("No, the terms stay")})

WORDS: Mapping[str, PollWords] = MappingProxyType(
    {
        rules.FAILURE: PollWords(
            "failure_vote", {rules.YES: _l("Yes, one more chance"), rules.NO: _l("No, send back what is unreleased")}
        ),
        rules.AMENDMENT: _AMENDMENT,
        rules.ADVERSE_AMENDMENT: _AMENDMENT,
        rules.DISPUTE: PollWords(
            "dispute_vote", {rules.YES: _l("Yes, the criteria are met"), rules.NO: _l("No, they are not met")}
        ),
        rules.WIND_DOWN: _END,
        rules.WIND_DOWN_FOR_CAUSE: _END,
        rules.HALT: PollWords(
            "vote",
            {rules.YES: _l("Yes, the plan goes on"), rules.NO: _l("No, send back what is unreleased")},
        ),
        rules.SHORTFALL: PollWords(
            "stay", {rules.YES: _l("I stay"), rules.NO: _l("Refund all of mine")}
        ),
    }
)


class AnswerForm(KeyedForm):
    """One of two answers."""

    operation = "answer_poll"

    choice = RadioField(
        _l("Your answer"), validators=[InputRequired(_l("Choose one of the two answers."))], validate_choice=False
    )

    def ask(self, kind: str) -> None:
        """Word the answers."""
        self.choice.choices = list(WORDS[kind].choices.items())


@blueprint.route("/<poll_id>", methods=["GET", "POST"])
@requires("investor")
def show(poll_id: str) -> Answer:
    actor = security.current_actor()
    form = AnswerForm(actor=actor)
    with get_db().read() as session:
        found = halt_queries.question(session, actor, poll_id)
    if poll_id != found.mine.public_id and len(actor.parties("investor")) > 1:
        # Who acts for several investors answers for one at a time.
        return redirect(url_for(".show", poll_id=found.mine.public_id))
    form.ask(found.poll.kind)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: polls.answer(
                    session, actor=actor, poll_id=poll_id, choice=form.choice.data, key=form.key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".answered", poll_id=found.mine.public_id))
        except MilestakeError as error:
            form.show_error(error)
    if not form.is_submitted():
        form.choice.data = found.mine.choice
    with get_db().read() as session:
        now = clock.business_now(session)
        for_whom = _for_whom(session, actor, found)
    page = render_template("polls/show.html", form=form, is_open=found.is_open(now), for_whom=for_whom,
                           **_context(found))
    return page, form.status


@blueprint.get("/<poll_id>/answered")
@requires("investor")
def answered(poll_id: str) -> Answer:
    with get_db().read() as session:
        actor = security.current_actor()
        found = halt_queries.question(session, actor, poll_id)
        for_whom = _for_whom(session, actor, found)
    if found.mine.choice is None:
        return redirect(url_for(".show", poll_id=poll_id))
    return render_template("polls/answered.html", for_whom=for_whom, **_context(found))


def _for_whom(session: Session, actor: Actor, found: halt_queries.Question) -> str | None:
    """Return the investor whose answer this is, None for who acts for one only."""
    parties = actor.parties("investor")
    return people.party_names(session, parties)[found.mine.party_id] if len(parties) > 1 else None


@blueprint.get("/<poll_id>/count")
@public
def count(poll_id: str) -> Answer:
    with get_db().read() as session:
        counted = halt_queries.counted(session, poll_id)
    words, rule = WORDS[counted.poll.kind], rules.RULES[counted.poll.kind]
    return render_template(
        "polls/count.html", counted=counted, poll=counted.poll, offering=counted.offering, rule=rule,
        page=halt_queries.page_of(counted.poll), labels=words.choices, asset=Asset.parse(counted.offering.currency),
    )


def _context(found: halt_queries.Question) -> dict[str, object]:
    words = WORDS[found.poll.kind]
    step = next_step(words.subject, "open", found.poll.ends_at) if found.poll.state == "open" else None
    return {
        "found": found, "poll": found.poll, "offering": found.offering, "mine": found.mine, "halt": found.halt,
        "may_change": found.may_change, "asset": Asset.parse(found.offering.currency), "page": found.page,
        "labels": words.choices, "changes_freely": rules.RULES[found.poll.kind].answers_at_most is None,
        "next": shell.next_line(step, found.offering.zone, yours=True) if step else None,
    }
