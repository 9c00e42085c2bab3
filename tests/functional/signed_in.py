"""Visitors who are signed in as the people that a test's life made, without typing passwords."""

from __future__ import annotations

from flask import Flask

from app import clock
from app.accounts import queries as people
from app.accounts.actor import Actor
from tests.functional.visitor import Visitor


def signed_in(site: Flask, actor: Actor, *, second_factor: bool = True) -> Visitor:
    """Return a visitor whose session is the actor's, with a fresh second factor or without."""
    visitor = Visitor(site)
    with site.extensions["milestake_db"].read() as session:
        user = people.user_by_id(session, actor.user_id)
    with visitor.client.session_transaction() as cookie:
        cookie["_user_id"] = f"{user.public_id}:{user.session_nonce}"
        cookie["_fresh"] = True
        if second_factor:
            cookie["second_factor_at"] = int(clock.system_now().timestamp())
    return visitor
