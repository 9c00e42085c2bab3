"""Decide who may open which page, and tell browsers what pages may do.

Every view carries an explicit rule (:func:`public` or :func:`requires`); a view without one is
refused. What a person may do to one particular object is decided by services and queries.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, flash, g, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import LoginManager, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as BaseResponse

from app import clock, ratelimit
from app.accounts import credentials
from app.accounts import queries as accounts
from app.accounts.actor import Actor
from app.accounts.queries import SignIn
from app.config import Settings
from app.db import get_db
from app.errors import Forbidden, Refused, SecondFactorNeeded
from app.logging import get_logger

View = TypeVar("View", bound=Callable[..., Any])

SECOND_FACTOR_SECONDS = 15 * 60
SESSION_SECONDS = 12 * 3600

#: ux.md §1: nothing but our own origin, nothing inline.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

csrf = CSRFProtect()
login_manager = LoginManager()


@dataclass(frozen=True, slots=True)
class AuthRule:
    """Who may open a view. Empty ``roles`` means everybody who is signed in, unless ``public``."""

    public: bool = False
    roles: tuple[str, ...] = ()
    second_factor: bool = False


def public(view: View) -> View:
    """Let everybody open the view, signed in or not."""
    view.auth_rule = AuthRule(public=True)
    return view


def requires(*roles: str, second_factor: bool = False) -> Callable[[View], View]:
    """Let those open the view who hold one of ``roles`` (any signed-in person when none is named).

    ``second_factor`` asks for a code within the last 15 minutes first (PPL-1).
    """

    def decorate(view: View) -> View:
        view.auth_rule = AuthRule(roles=roles, second_factor=second_factor)
        return view

    return decorate


# -- who is asking --------------------------------------------------------------------------------------


class SessionUser:
    """The signed-in person as Flask-Login wants it, around what one query found."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, sign_in: SignIn) -> None:
        self.sign_in = sign_in

    def get_id(self) -> str:
        return f"{self.sign_in.public_id}:{self.sign_in.session_nonce}"


@login_manager.user_loader
def load_session_user(cookie: str) -> SessionUser | None:
    """Return the person of a session cookie, or None when the password changed since or they are locked."""
    public_id, _colon, nonce = cookie.partition(":")
    with get_db().read() as db_session:
        found = accounts.sign_in_by_public_id(db_session, public_id)
    if found is None or found.locked or found.session_nonce != nonce:
        return None
    return SessionUser(found)


def signed_in() -> SignIn | None:
    """Return who is signed in, or None."""
    return current_user.sign_in if current_user.is_authenticated else None


def actor_or_none() -> Actor | None:
    """Return who acts, or None on public pages for people who are not signed in."""
    found = signed_in()
    if found is None:
        return None
    return Actor(
        user_id=found.user_id,
        memberships=found.memberships,
        second_factor=has_fresh_second_factor(),
        name=found.name,
    )


def current_actor() -> Actor:
    """Return who acts. Only for views that are not public: those always have somebody."""
    actor = actor_or_none()
    if actor is None:
        raise Forbidden(_("Sign in first."), code="sign_in_needed")
    return actor


def sign_in_user(public_id: str, *, second_factor: bool = False) -> None:
    """Begin a new session for a user whose password was checked; nothing of the old one stays."""
    with get_db().read() as db_session:
        found = accounts.sign_in_by_public_id(db_session, public_id)
    session.clear()
    session.permanent = True
    login_user(SessionUser(found))
    if second_factor:
        mark_second_factor()


def sign_out_user() -> None:
    """End the session on this device."""
    logout_user()
    session.clear()


def mark_second_factor() -> None:
    """Remember that a second factor was given just now, by the system clock."""
    session["second_factor_at"] = int(clock.system_now().timestamp())


def has_fresh_second_factor() -> bool:
    """Tell whether a second factor was given within the last 15 minutes."""
    given = session.get("second_factor_at")
    if not isinstance(given, int):
        return False
    return 0 <= int(clock.system_now().timestamp()) - given < SECOND_FACTOR_SECONDS


def accept_code(code: str) -> Actor:
    """Take a code that was typed beside an act and return the actor with a fresh second factor (PPL-1).

    Raises ``Refused`` at the field ``code``; counts as an attempt. Never call it inside a unit of work.
    """
    who = signed_in()
    if who is None:
        raise Forbidden(_("Sign in first."), code="sign_in_needed")
    if not code.strip():
        raise Refused(_("Enter the code that your authenticator app shows."), code="code_empty", field="code")
    count_attempt("second_factor", str(who.user_id))

    def verify(db_session: accounts.Session) -> None:
        credentials.verify_second_factor(db_session, user_id=who.user_id, code=code, now=clock.system_now())
        ratelimit.forget(db_session, bucket="second_factor", subject=str(who.user_id))

    get_db().unit_of_work(verify)
    mark_second_factor()
    return current_actor()


def demo_code() -> str | None:
    """Return the code that the signed-in demo account may type now, None for everybody else."""
    who = signed_in()
    if who is None or not who.demo:
        return None
    is_sandbox = current_app.extensions["milestake_settings"].sandbox
    with get_db().read() as db_session:
        user = accounts.user_by_id(db_session, who.user_id)
        return credentials.sandbox_code(user, sandbox=is_sandbox, now=clock.system_now())


def second_factor_url(next_path: str) -> str:
    """Return where a code is asked for, or set up when the person has none yet."""
    found = signed_in()
    endpoint = "accounts.second_factor" if found and found.has_second_factor else "accounts.second_factor_setup"
    return url_for(endpoint, next=next_path)


def safe_next(target: str | None, default: str = "/") -> str:
    """Return ``target`` when it is a path on this site, else ``default``."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return default
    if "\\" in target or any(not character.isprintable() for character in target):
        return default
    parts = urlsplit(target)
    return default if parts.scheme or parts.netloc else target


def page_before() -> str:
    """Return the path to come back to: this page when it was opened, the page of the form when sent."""
    if request.method in ("GET", "HEAD"):
        return safe_next(request.full_path.rstrip("?"))
    came_from = urlsplit(request.referrer or "")
    if came_from.netloc != request.host:
        return "/"
    return safe_next(came_from.path + (f"?{came_from.query}" if came_from.query else ""))


# -- limits -----------------------------------------------------------------------------------------------


def count_attempt(name: str, subject: str) -> None:
    """Count one attempt under a limit of ``ratelimit.LIMITS``, in a unit of work of its own.

    Raises ``TooMany``. Never call it inside a unit of work.
    """
    get_db().unit_of_work(lambda db_session: ratelimit.hit_named(db_session, name, subject, now=clock.system_now()))


def limit_commits(actor: Actor) -> None:
    """Count one attempt to commit money (30 a minute for each person)."""
    count_attempt("commit", str(actor.user_id))


def client_network() -> str:
    """Return the client's address as limits count it: IPv4 whole, IPv6 by its /64."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


# -- every request --------------------------------------------------------------------------------------


def secure(app: Flask, settings: Settings) -> None:
    """Put the guard, the forms' tokens, the session's cookie and the headers into the application."""
    app.config.update(
        SESSION_COOKIE_NAME="__Host-milestake" if settings.cookie_secure else "milestake",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.cookie_secure,
        PERMANENT_SESSION_LIFETIME=SESSION_SECONDS,
        WTF_CSRF_TIME_LIMIT=SESSION_SECONDS,
    )
    if settings.is_production:
        app.config["TRUSTED_HOSTS"] = [urlsplit(settings.public_url).hostname]
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)
    csrf.init_app(app)
    login_manager.init_app(app)
    login_manager.session_protection = None  # addresses change on phones; the nonce ends sessions instead
    app.view_functions["static"].auth_rule = AuthRule(public=True)
    app.before_request(guard)
    app.after_request(_add_headers)


def guard() -> BaseResponse | None:
    """Let the request pass, or send it to sign in, to give a code, or away."""
    if request.endpoint is None:
        return None  # no such page, or not by this method: the router answers
    rule = getattr(current_app.view_functions[request.endpoint], "auth_rule", None)
    if rule is None:
        get_logger("app.security").error("view_without_auth_rule", endpoint=request.endpoint)
        abort(403)
    if rule.public:
        return None
    actor = actor_or_none()
    if actor is None:
        return _to_sign_in()
    if rule.roles and actor.roles.isdisjoint(rule.roles):
        raise Forbidden(_("This page is for other roles than yours."), code="role_missing")
    if rule.second_factor and not actor.second_factor:
        raise SecondFactorNeeded(_("Give a code from your authenticator app to go on."))
    return None


def _to_sign_in() -> BaseResponse:
    if request.method in ("GET", "HEAD"):
        return redirect(url_for("accounts.sign_in", next=page_before()))
    flash(_("You were signed out, and nothing was sent. Sign in and send it again."), "warning")
    return redirect(url_for("accounts.sign_in", next=page_before()))


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if current_app.config["SESSION_COOKIE_SECURE"]:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint != "static" and "Cache-Control" not in headers:
        # Pages show money and people; a shared computer must not keep them.
        headers["Cache-Control"] = "no-store"
    return response


#: Whatever a file holds, it is an origin of its own without scripts, forms or requests.
SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'self'"


def shut_in(response: BaseResponse) -> BaseResponse:
    """Shut in a file that somebody uploaded: nothing in it can run, frame others or reach our pages."""
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    # Who may see it is asked again each time; what did not change is not sent again.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def is_bare() -> bool:
    """Tell whether the page being written must do without the database (the server-error page)."""
    return bool(g.get("bare"))
