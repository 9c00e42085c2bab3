"""Records: dated arms, nothing before the first, no figure of a later day, and no fraction in any file."""

from __future__ import annotations

import datetime as dt
import tomllib

import pytest

from app.offerings import rules as offering_rules
from app.regimes import records, settings
from app.regimes.records import NoFigures


@pytest.mark.parametrize(
    ("day", "cap_minor", "cut_minor", "combine"),
    [
        (dt.date(2016, 5, 16), 100_000_000, 10_000_000, "lesser"),
        (dt.date(2017, 4, 11), 100_000_000, 10_000_000, "lesser"),
        (dt.date(2017, 4, 12), 107_000_000, 10_700_000, "lesser"),
        (dt.date(2021, 3, 14), 107_000_000, 10_700_000, "lesser"),
        (dt.date(2021, 3, 15), 500_000_000, 10_700_000, "greater"),
        (dt.date(2022, 9, 19), 500_000_000, 10_700_000, "greater"),
        (dt.date(2022, 9, 20), 500_000_000, 12_400_000, "greater"),
    ],
)
def test_each_day_has_the_figures_of_its_own_arm(
    day: dt.date, cap_minor: int, cut_minor: int, combine: str
) -> None:
    found = settings.of("us.reg_cf", day)
    assert found.investor_limit is not None
    assert (found.issuer_cap_minor, found.investor_limit.cut_minor) == (cap_minor, cut_minor)
    assert found.investor_limit.combine == combine
    assert found.investor_limit.accredited_exempt is (day >= dt.date(2021, 3, 15))


def test_a_day_before_the_first_arm_has_no_figures() -> None:
    with pytest.raises(NoFigures) as refused:
        settings.of("us.reg_cf", dt.date(2016, 5, 15))
    assert refused.value.code == "regime_has_no_figures"
    assert "16 May 2016" in refused.value.message


@pytest.mark.parametrize("regime", ["xx.none", "us.reg_a", "escrow"])
def test_a_regime_that_is_unknown_or_not_offered_has_no_figures_for_an_offering(regime: str) -> None:
    with pytest.raises(NoFigures):
        settings.of(regime, dt.date(2026, 8, 1))


def test_an_arm_without_a_figure_says_no_instead_of_taking_a_later_one() -> None:
    with pytest.raises(NoFigures):
        records.arm_on("us.reg_d_506c", dt.date(2025, 3, 11)).minor("minimum_investment", "natural_person")
    assert records.arm_on("us.reg_d_506c", dt.date(2025, 3, 12)).minor("minimum_investment", "natural_person") == (
        20_000_000
    )


def test_the_open_regime_has_the_defaults_of_the_product_rules() -> None:
    found = settings.of("private", dt.date(2026, 8, 1))
    assert (found.min_open_days, found.cancel_hours, found.early_close_notice_bd, found.reconfirm_bd) == (21, 48, 5, 5)
    assert (found.refund_bd, found.clearing_bd, found.waiting_offer_hours) == (5, 10, 72)
    assert (found.investor_limit, found.issuer_cap_minor) == (None, None)


def test_only_regimes_with_every_figure_of_a_raise_may_be_chosen() -> None:
    assert list(settings.offerable()) == ["private", "eu.ecspr", "uk.fca", "us.reg_cf", "us.reg_d_506c"]
    for regime in settings.offerable():
        for arm in records.record(regime).arms:
            assert settings.of(regime, arm.effective_from).version == arm.version


@pytest.mark.parametrize("path", sorted(records.DATA.glob("*.toml")), ids=lambda path: path.stem)
def test_no_file_holds_a_fraction_and_each_arm_names_its_source(path: object) -> None:
    content = tomllib.loads(path.read_text(encoding="utf-8"))  # type: ignore[attr-defined]

    def walk(value: object) -> None:
        assert not isinstance(value, float), value
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(each)

    walk(content)
    assert all(arm["source"] and isinstance(arm["effective_from"], dt.date) for arm in content["arm"])


def test_a_fraction_in_a_file_stops_the_reading() -> None:
    with pytest.raises(ValueError, match="has a point in it"):
        tomllib.loads("rate = 0.05", parse_float=records._refuse_fraction)


def test_off_14_each_rail_has_the_hold_limit_that_its_adapter_declares() -> None:
    from app.payments.sandbox import SandboxRail

    declared = SandboxRail(db=None, now=None).capabilities  # type: ignore[arg-type]
    assert offering_rules.RAILS["sandbox"].max_hold_days is declared.max_hold is None
