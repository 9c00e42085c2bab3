"""Every address of the site says who may use it."""

from __future__ import annotations

from flask import Flask

#: Flask's own; it serves files of static/ only.
FLASKS_OWN = {"static"}


def test_every_route_has_an_auth_rule(app: Flask) -> None:
    missing = sorted(
        rule.rule for rule in app.url_map.iter_rules()
        if rule.endpoint not in FLASKS_OWN and not getattr(app.view_functions[rule.endpoint], "auth_rule", None)
    )
    assert not missing, "without @requires or @public of app.security:\n" + "\n".join(missing)


def test_every_address_is_used_by_one_view(app: Flask) -> None:
    seen: dict[tuple[str, str], str] = {}
    double = []
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            other = seen.setdefault((rule.rule, method), rule.endpoint)
            if other != rule.endpoint:
                double.append(f"{method} {rule.rule}: {other} and {rule.endpoint}")
    assert not double, double
