"""The table of commands: what ``flask`` can do beside serving pages.

What a command does stands in its feature's ``commands.py``; this module only lists them.
"""

from __future__ import annotations

from flask import Flask

from app.accounts import commands as accounts


def register_cli(app: Flask) -> None:
    """Add every command to ``app``."""
    app.cli.add_command(accounts.setup_token)
