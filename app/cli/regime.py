"""``flask regime``: the regimes' figures, and the worked cases they are tested with."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import click
from flask.cli import AppGroup

from app.cli.printing import as_json_option, print_json, refusals
from app.regimes import cases, records
from app.regimes import settings as figures

regime = AppGroup("regime", help="Regulatory figures as dated data, and the worked cases they answer.")


@regime.command("cases")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json_option
def evaluate_cases(file: Path, as_json: bool) -> None:
    """Answer every case of FILE and compare; exit status 1 when one fails.

    Cases of rules that are not built yet, and those answered differently on purpose, are counted and are no failures.
    """
    try:
        outcomes = [cases.evaluate(each) for each in cases.read(file)]
    except cases.CaseUnreadable as error:
        raise click.ClickException(str(error)) from error
    rows = cases.summary(outcomes)
    totals = {status: sum(row[status] for row in rows.values()) for status in _STATUSES}
    failures = [each for each in outcomes if each.status == cases.FAILED]
    if as_json:
        print_json({
            "ok": not failures, "totals": totals,
            "rules": [{"regime": key[0], "rule": key[1], **row} for key, row in rows.items()],
            "differing": [dataclasses.asdict(each) for each in outcomes if _is_told(each)],
        })
    else:
        _print_table(rows, totals)
        for each in outcomes:
            if _is_told(each):
                click.echo(f"{_STATUSES[each.status]}: {each.case_id} {each.regime}/{each.rule}")
                click.echo(f"  ours     {dict(each.answer)}\n  expected {dict(each.expected or {})}")
                if each.words:
                    click.echo(f"  {each.words}")
    if failures:
        raise SystemExit(1)


_STATUSES = {
    cases.PASSED: "passed", cases.DEVIATING: "deviating by decision", cases.NOT_YET: "not yet", cases.FAILED: "failed",
}


def _is_told(outcome: cases.Outcome) -> bool:
    """Whether a case stands below the table: it differs, or agrees only in other words."""
    return outcome.status in (cases.FAILED, cases.DEVIATING) or outcome.words == cases.OTHER_ORDER


def _print_table(rows: dict[tuple[str, str], dict[str, int]], totals: dict[str, int]) -> None:
    for (code, name), row in rows.items():
        told = ", ".join(f"{count} {_STATUSES[status]}" for status, count in row.items() if count)
        click.echo(f"{code + '/' + name:<48} {told}")
    click.echo("all: " + ", ".join(f"{count} {_STATUSES[status]}" for status, count in totals.items()))


@regime.command("show")
@click.argument("code", type=click.Choice(sorted(records.records())))
@click.option("--on", "day", default=None, help="The day, as YYYY-MM-DD; today if left out.")
@as_json_option
def show(code: str, day: str | None, as_json: bool) -> None:
    """Print the figures of the regime CODE in force on a day, and where they come from."""
    try:
        wanted = dt.date.fromisoformat(day) if day else dt.datetime.now(dt.UTC).date()
    except ValueError as error:
        raise click.BadParameter("write the day as YYYY-MM-DD", param_hint="--on") from error
    with refusals(as_json=as_json):
        arm = records.arm_on(code, wanted)
        groups = {name: dict(group) for name, group in arm.groups.items()}
    if as_json:
        print_json({"regime": code, "arm": arm.version, "source": arm.source, "policy": arm.policy, "figures": groups})
        return
    click.echo(f"{arm.version}  {arm.source}")
    if code in figures.offerable():
        click.echo(records.record(code).words)
    for name, group in groups.items():
        for key, value in group.items():
            ours = "  (our policy)" if arm.policy == ("all",) or key in arm.policy else ""
            click.echo(f"  {name}.{key} = {value}{ours}")
