"""``flask contract``: judge, hash, simulate and import milestone contracts from files, and show the templates."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from app import calendars, clock
from app.accounts import queries as people
from app.accounts.actor import Actor
from app.cli.printing import as_json_option, print_json, refusals
from app.contracts import importing, templates
from app.contracts.importing import ContractFile, ContractFileError
from app.db import get_db
from app.errors import NotFound
from app.offerings import service as offerings
from milestones import document as documents
from milestones import following, money
from milestones import lint as linting
from milestones import simulate as simulator
from milestones.template import resolve

contract = AppGroup("contract", help="Judge, hash, simulate and import milestone contracts (YAML or JSON).")
_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


def _read(file: Path, *, as_json: bool) -> ContractFile:
    """Read a contract, or end with everything that is wrong and where it stands."""
    try:
        return importing.read_contract(file.read_bytes())
    except ContractFileError as error:
        if as_json:
            print_json({"ok": False, "problems": [_problem(each.line, each.path, each.code, each.message)
                                                  for each in error.problems]})
        else:
            for each in error.problems:
                click.echo(f"{file}: {each}")
        raise SystemExit(1) from error


def _problem(line: int | None, path: str, code: str, message: str, severity: str = "refused") -> Mapping[str, object]:
    return {"line": line, "path": path, "code": code, "message": message, "severity": severity}


@contract.command("lint")
@_file
@as_json_option
def lint(file: Path, as_json: bool) -> None:
    """Judge FILE as before publishing, naming lines; exit status 1 when anything stands in the way.

    What only an offering says (its deadline and amounts, who the auditors are) is judged there.
    """
    read = _read(file, as_json=as_json)
    findings = linting.lint(read.terms)
    blocked = linting.blocks_publishing(findings)
    placed = [
        _problem(importing.line_of(read.lines, each.path), each.path, each.code, each.message, each.severity)
        for each in findings
    ]
    if as_json:
        print_json({"ok": not blocked, "hash": documents.contract_hash(read.terms), "problems": placed})
    else:
        for each in placed:
            line = f":{each['line']}" if each["line"] else ""
            click.echo(f"{file}{line}: {each['severity']}: {each['message']} ({each['code']})")
        if not blocked:
            click.echo(f"{file} can be published." if not placed else f"{file} can be published with this risk line.")
    if blocked:
        raise SystemExit(1)


@contract.command("hash")
@_file
@as_json_option
def hash_(file: Path, as_json: bool) -> None:
    """Print the SHA-256 over the canonical, resolved terms of FILE (MIL-3)."""
    digest = documents.contract_hash(_read(file, as_json=as_json).terms)
    if as_json:
        print_json({"ok": True, "hash": digest})
    else:
        click.echo(digest)


@contract.command("simulate")
@_file
@click.option("--raises", default="100000", help="What the offering raises, such as 250000 or 0.5.", show_default=True)
@click.option("--price", default="1", help="Price of a token.", show_default=True)
@click.option("--fee-bp", default=500, type=click.IntRange(0, 2000), help="Our fee in basis points.", show_default=True)
@click.option("--holder", "holders", multiple=True, help="What one investor paid; again for each.")
@click.option("--closes", type=click.DateTime(["%Y-%m-%d"]), help="The day the offering closes; the first target date "
              "when left out.")
@click.option("--late", multiple=True, metavar="K=DAYS", help="Milestone K is late by DAYS.")
@click.option("--failed", multiple=True, type=int, metavar="K", help="Milestone K fails.")
@click.option("--part", "parts", multiple=True, metavar="K=SHARE[+DAYS]", help="SHARE percent of K is met, the "
              "rest DAYS later, or never.")
@click.option("--unshown", multiple=True, type=int, metavar="K", help="What K's retained part waits for is never "
              "shown.")
@click.option("--amended", metavar="FILE@DATE", help="From DATE on FILE holds, whose milestones K counts.")
@as_json_option
def simulate(
    file: Path, raises: str, price: str, fee_bp: int, holders: tuple[str, ...], closes: dt.datetime | None,
    late: tuple[str, ...], failed: tuple[int, ...], parts: tuple[str, ...], unshown: tuple[int, ...],
    amended: str | None, as_json: bool,
) -> None:
    """Play FILE to its end with the engine that runs it: money and tokens per step, and if it stopped (MIL-5)."""
    terms = _read(file, as_json=as_json).terms
    later = _amended(amended, as_json=as_json) if amended else None
    last_year = max(each.long_stop.year for each in (terms, *([later.terms] if later else ())))
    closes_on = closes.date() if closes else min(milestone.target_date for milestone in terms.milestones)
    try:
        paid = [money.parse_amount(each, terms.asset) for each in holders or (raises,)]
        found = simulator.simulate(
            terms, proceeds_minor=sum(paid), holders=paid, price_micro=money.parse_price(price), asset=terms.asset,
            fee_bp=fee_bp, scenario=_scenario(late, failed, parts, unshown), closes_on=closes_on,
            holidays=calendars.holidays_between(terms.calendar, closes_on.year, last_year + 2), amended=later,
        )
    except (money.MoneyError, simulator.SimulationError) as error:
        raise click.ClickException(error.message) from error
    if as_json:
        print_json({"ok": True, **_as_document(found, terms.currency)})
        return

    def show(minor: int) -> str:
        return money.display_amount(minor, terms.asset)

    for step in found.steps:
        amount = step.released_minor or step.returned_minor
        tokens = sum(each.tokens for each in step.per_holder)
        click.echo(
            f"{step.at}  {step.kind:8}  {step.label}: {show(amount)}, fee {show(step.fee_minor)}, {tokens} tokens; "
            f"stopped then: {show(step.stopped.returned_minor)} back"
        )
    totals = found.totals
    click.echo(
        f"{found.ends}: {show(totals.released_minor)} released, {show(totals.fee_minor)} fees, "
        f"{show(totals.returned_minor)} back, {totals.tokens} tokens"
    )


def _amended(words: str, *, as_json: bool) -> following.Amended:
    """Read other terms and the day from which they hold."""
    name, _, day = words.rpartition("@")
    try:
        on = dt.date.fromisoformat(day)
    except ValueError:
        raise click.BadParameter(f"Write --amended other.yaml@2027-09-01, not “{words}”.") from None
    if not Path(name).is_file():
        raise click.BadParameter(f"There is no file “{name}”.")
    return following.Amended(_read(Path(name), as_json=as_json).terms, on)


_PART = re.compile(r"([0-9]{1,3})=([0-9]{1,3})(?:\+([0-9]{1,4}))?")


def _scenario(
    late: tuple[str, ...], failed: tuple[int, ...], parts: tuple[str, ...], unshown: tuple[int, ...]
) -> dict[int, simulator.Outcome]:
    scenario = {ordinal: simulator.Outcome(simulator.FAILED) for ordinal in failed}
    for each in late:
        ordinal, _, days = each.partition("=")
        if not (ordinal.isascii() and ordinal.isdigit() and days.isascii() and days.isdigit()):
            raise click.BadParameter(f"Write --late 2=30 for milestone 2 late by 30 days, not “{each}”.")
        scenario[int(ordinal)] = simulator.Outcome(simulator.LATE, int(days))
    for each in parts:
        found = _PART.fullmatch(each)
        if found is None:
            raise click.BadParameter(f"Write --part 2=70+30 for 70 percent of milestone 2, not “{each}”.")
        rest = int(found[3]) if found[3] else None
        scenario[int(found[1])] = simulator.Outcome(simulator.PARTIAL, share_pct=int(found[2]), rest_days=rest)
    for number in unshown:
        scenario[number] = replace(scenario.get(number, simulator.Outcome()), is_shown=False)
    return scenario


def _as_document(found: simulator.Simulation, currency: str) -> dict[str, object]:
    """Return a simulation as plain values; amounts as text of minor units, which no reader rounds."""
    return {
        "currency": currency,
        "ends": found.ends,
        "steps": [
            {"at": step.at, "kind": step.kind, "label": step.label, "milestone": step.milestone_ordinal,
             "released_minor": str(step.released_minor), "fee_minor": str(step.fee_minor),
             "returned_minor": str(step.returned_minor), "tokens": str(sum(each.tokens for each in step.per_holder)),
             "back_if_stopped_minor": str(step.stopped.returned_minor)}
            for step in found.steps
        ],
        "cash_by_month": [{"month": each.month, "received_minor": str(each.received_minor)}
                          for each in found.cash_by_month],
        "totals": {"released_minor": str(found.totals.released_minor), "fee_minor": str(found.totals.fee_minor),
                   "returned_minor": str(found.totals.returned_minor), "tokens": str(found.totals.tokens)},
    }


@contract.command("import")
@_file
@click.option("--offering", help="The draft offering that gets this contract.")
@click.option("--as", "email", help="The mail address of the founder who imports it.")
@as_json_option
def import_(file: Path, offering: str | None, email: str | None, as_json: bool) -> None:
    """Read FILE and print it as it is kept, every default written in; with --offering put it into that draft."""
    read = _read(file, as_json=as_json)
    if offering is not None:
        if email is None:
            raise click.UsageError("Say who imports it: --as MAIL of a founder of the company.")
        with refusals(as_json=as_json):
            get_db().unit_of_work(lambda session: _put(session, offering, email, read))
    if as_json:
        print_json({"ok": True, "hash": documents.contract_hash(read.terms), "offering": offering,
                    "document": documents.to_document(read.terms)})
    elif offering is None:
        click.echo(importing.write_yaml(read.terms), nl=False)
    else:
        click.echo(f"{offering} has this contract now: {documents.contract_hash(read.terms)}")


def _put(session: Session, offering_id: str, email: str, read: ContractFile) -> None:
    user = people.user_by_email(session, email.strip().casefold())
    if user is None:
        raise NotFound(f"There is no account with the mail address {email}.")
    actor: Actor = people.actor_for(session, user.id)
    offerings.update_draft(
        session, actor=actor, offering_id=offering_id, document=read.document, now=clock.business_now(session)
    )


@contract.group("template")
def template() -> None:
    """Contract templates that a founder can begin from."""


@template.command("list")
@as_json_option
def list_templates(as_json: bool) -> None:
    """List the templates: name, milestones, months, and what each is for."""
    if as_json:
        print_json({"ok": True, "templates": [
            {"name": each.name, "title": each.title, "use": each.use, "months": each.months,
             "tranches_bp": [tranche.bp for tranche in each.tranches]}
            for each in templates.library()
        ]})
        return
    for each in templates.library():
        shares = " + ".join(linting.percent(tranche.bp) for tranche in each.tranches)
        click.echo(f"{each.name:11} {each.title}: {len(each.terms.milestones)} milestones, {each.months} months")
        click.echo(f"{'':11} {shares}\n{'':11} {each.use}")


@template.command("show")
@click.argument("name")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="The day its days count from; today when left out.")
@click.option("--currency", default="USD/2", show_default=True)
@click.option("--zone", default="UTC", show_default=True)
@click.option("--calendar", default="US", type=click.Choice(sorted(calendars.CALENDARS)), show_default=True)
@as_json_option
def show_template(
    name: str, start: dt.datetime | None, currency: str, zone: str, calendar: str, as_json: bool
) -> None:
    """Print template NAME as a contract with dates, every default written in: a file that lint and import read."""
    with refusals(as_json=as_json):
        found = templates.template(name)
    try:
        document = resolve(
            found, starts_on=(start or clock.system_now()).date(), currency=currency, zone=zone, calendar=calendar
        )
        terms = documents.parse_document(document)
    except (money.MoneyError, documents.ContractError) as error:
        raise click.ClickException(error.message) from error
    if as_json:
        print_json({"ok": True, "name": name, "hash": documents.contract_hash(terms),
                    "document": documents.to_document(terms)})
    else:
        click.echo(importing.write_yaml(terms), nl=False)
