"""The rules that decide: pure, exact, one function each, every figure read from the arm that is handed in.

``registry`` finds and runs them, ``decision`` is their answer; the others hold the rules of one regime each.
"""

from app.regimes.rules import escrow, eu_ecspr, uk_fca, us_reg_a, us_reg_cf, us_reg_cf_raise, us_reg_d
from app.regimes.rules.decision import Decision
from app.regimes.rules.registry import RULES, decide, judge

__all__ = [
    "RULES", "Decision", "decide", "escrow", "eu_ecspr", "judge", "uk_fca", "us_reg_a", "us_reg_cf",
    "us_reg_cf_raise", "us_reg_d",
]
