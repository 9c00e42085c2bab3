"""What production asks of cookies, hosts and headers, and which addresses may follow a sign-in."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from flask import Flask

from app import create_app, security
from app.config import SettingsError, load_settings

PRODUCTION = {
    "MILESTAKE_ENV": "production",
    "SECRET_KEY": "k" * 40,
    "SANDBOX": "0",
    "PUBLIC_URL": "https://stakes.example",
    "TRUSTED_PROXIES": "1",
}


@pytest.fixture
def production(tmp_path: Path) -> Flask:
    from app import migrations

    url = f"sqlite:///{tmp_path / 'site.db'}"
    migrations.upgrade(url)
    return create_app(load_settings(PRODUCTION | {"DATABASE_URL": url, "DATA_DIR": str(tmp_path)}))


def test_production_refuses_defaults() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({"MILESTAKE_ENV": "production"})
    for name in ("SECRET_KEY", "DATABASE_URL", "SANDBOX", "PUBLIC_URL"):
        assert name in str(refused.value)


def test_production_cookies_are_secure_and_the_answer_says_https_only(production: Flask) -> None:
    answer = production.test_client().get("/sign-in", base_url="https://stakes.example")
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-milestake=")
    for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert part in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert b"pretend money" not in answer.data


def test_production_answers_to_its_own_name_only(production: Flask) -> None:
    answer = production.test_client().get("/sign-in", base_url="https://elsewhere.example")
    assert answer.status_code == 400


def test_production_has_no_styleguide(production: Flask) -> None:
    assert production.test_client().get("/styleguide/", base_url="https://stakes.example").status_code == 404


@pytest.mark.parametrize(
    ("forwarded", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),  # only the last hop is our proxy's word
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)
def test_limits_count_the_address_that_the_trusted_proxy_saw(production: Flask, forwarded: str, network: str) -> None:
    seen = []
    production.before_request(lambda: seen.append(security.client_network()))
    production.test_client().get(
        "/sign-in", base_url="https://stakes.example", headers={"X-Forwarded-For": forwarded}
    )
    assert seen == [network]


@pytest.mark.parametrize(
    ("target", "safe"),
    [
        ("/offerings/acme?tab=escrow", True),
        ("//evil.example", False),
        ("///evil.example", False),
        ("/\\evil.example", False),
        ("/ok\\..\\evil", False),
        ("https://evil.example", False),
        ("offerings", False),
        ("/a\r\nSet-Cookie: x", False),
        ("", False),
        (None, False),
    ],
)
def test_only_paths_of_this_site_follow_a_sign_in(target: str | None, safe: bool) -> None:
    assert security.safe_next(target, "/home") == (target if safe else "/home")


def test_logs_name_the_route_and_nothing_personal(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="app.request"):
        app.test_client().get("/nowhere/tok_secret?email=ines@example.com")
    (record,) = [record for record in caplog.records if record.name == "app.request"]
    line = json.dumps(record.msg, default=str)
    assert '"status": ' in line
    assert "tok_secret" not in line
    assert "ines@" not in line
