"""The table of pages: which modules bring blueprints into the application.

Each module named here has a ``blueprint``.
"""

from __future__ import annotations

import importlib

from flask import Flask

from app.config import Settings

#: In the order of features; the order does not matter to routing.
VIEWS = (
    "app.accounts.views",
    "app.accounts.people_views",
    "app.investors.views",
    "app.commitments.commit_views",
    "app.commitments.views",
    "app.commitments.reconfirm_views",
    "app.commitments.waiting_views",
    "app.payments.views",
    "app.payments.operator_views",
    "app.payments.payer_views",
    "app.payments.reserve_views",
    "app.payments.reversal_views",
    "app.commitments.link_views",
    "app.offerings.views",
    "app.contracts.views",
    "app.offerings.founder_views",
    "app.offerings.changes_views",
    "app.offerings.company_views",
    "app.offerings.draft_views",
    "app.offerings.editor_views",
    "app.offerings.template_views",
    "app.closing.early_close_views",
    "app.closing.refund_views",
    "app.progress.poll_views",
    "app.progress.amendment_views",
    "app.progress.resign_views",
    "app.progress.settlement_views",
    "app.progress.dispute_views",
    "app.progress.panel_signing_views",
    "app.progress.ending_views",
    "app.progress.report_views",
    "app.progress.extend_views",
    "app.closing.funding_views",
    "app.progress.milestone_views",
    "app.progress.evidence_views",
    "app.progress.auditor_views",
    "app.progress.auditor_acts_views",
    "app.progress.verify_views",
    "app.complaints.views",
    "app.operations.console_views",
    "app.operations.verification_views",
    "app.operations.complaint_views",
    "app.operations.decision_views",
    "app.operations.review_views",
    "app.operations.order_views",
    "app.operations.authority_views",
    "app.operations.fee_views",
    "app.operations.halt_views",
    "app.operations.panel_views",
    "app.operations.change_views",
    "app.operations.ledger_views",
    "app.operations.record_views",
    "app.operations.check_views",
    "app.operations.schedule_views",
    "app.operations.clock_views",
    "app.notices.views",
)

#: Pages for those who build Milestake; never in production.
DEVELOPMENT_VIEWS = ("app.styleguide",)


def register_blueprints(app: Flask, settings: Settings) -> None:
    """Add every feature's pages to ``app``."""
    for name in VIEWS + (() if settings.is_production else DEVELOPMENT_VIEWS):
        app.register_blueprint(importlib.import_module(name).blueprint)
