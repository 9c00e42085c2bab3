"""The first schema

Revision: 0001
Follows:
"""

import sqlalchemy as sa
from alembic import op

from app.db import UTCDateTime
from app.ledger import triggers

APPEND_ONLY = (
    "journal",
    "journal_seal",
    "entry",
    "escrow_statement",
    "register_entry",
    "log_entry",
    "terms_version",
    "offering_version",
    "offering_update",
    "update_flag",
    "evidence",
    "attestation",
    "release",
    "halt_toll",
    "operation_effect",
    "rail_event",
    "regime_decision",
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("may_be_negative", sa.Boolean(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=True),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("side IN ('debit', 'credit')", name=op.f("ck_account_side")),
        sa.CheckConstraint(
            "balance <= 9000000000000000000 AND balance >= -9000000000000000000",
            name=op.f("ck_account_balance_in_range"),
        ),
        sa.CheckConstraint("may_be_negative OR balance >= 0", name=op.f("ck_account_balance_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("address", "asset", name=op.f("uq_account_address_asset")),
    )
    op.create_index("ix_account_offering_id", "account", ["offering_id"], unique=False)
    op.create_table(
        "contract",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("draft_document", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract")),
        sa.UniqueConstraint("public_id", name=op.f("uq_contract_public_id")),
    )
    op.create_table(
        "demo_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset_seconds", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_demo_clock_one_row")),
        sa.CheckConstraint("offset_seconds >= 0", name=op.f("ck_demo_clock_forward_only")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demo_clock")),
    )
    op.create_table(
        "escrow_statement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tokens_issued", sa.BigInteger(), nullable=False),
        sa.Column("unreleased_after_minor", sa.BigInteger(), nullable=False),
        sa.Column("released_after_minor", sa.BigInteger(), nullable=False),
        sa.Column("issued_after_tokens", sa.BigInteger(), nullable=False),
        sa.Column("entitled_after_tokens", sa.BigInteger(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=True),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "issued_after_tokens >= 0 AND issued_after_tokens <= entitled_after_tokens",
            name=op.f("ck_escrow_statement_never_above_the_entitlement"),
        ),
        sa.CheckConstraint(
            "unreleased_after_minor >= 0 AND released_after_minor >= 0",
            name=op.f("ck_escrow_statement_money_not_negative"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escrow_statement")),
        sa.UniqueConstraint("commitment_id", "seq", name=op.f("uq_escrow_statement_commitment_id_seq")),
    )
    op.create_index("ix_escrow_statement_journal_id", "escrow_statement", ["journal_id"], unique=False)
    op.create_index(
        "ix_escrow_statement_offering_id_commitment_id",
        "escrow_statement",
        ["offering_id", "commitment_id", "seq"],
        unique=False,
    )
    op.create_table(
        "idempotency_key",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fields_hash", sa.String(length=64), nullable=False),
        sa.Column("result_ref", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_key")),
        sa.UniqueConstraint("actor", "operation", "key", name=op.f("uq_idempotency_key_actor_operation_key")),
    )
    op.create_table(
        "job_failure",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("quarantined_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_failure")),
        sa.UniqueConstraint("job", "object_id", name=op.f("uq_job_failure_job_object_id")),
    )
    op.create_table(
        "journal_seal",
        sa.Column("journal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("journal_id", name=op.f("pk_journal_seal")),
    )
    op.create_table(
        "log_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor_user_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "row_count IS NULL OR row_count >= 0", name=op.f("ck_log_entry_row_count_not_negative")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_entry")),
    )
    op.create_index(op.f("ix_log_entry_actor_user_id_id"), "log_entry", ["actor_user_id", "id"], unique=False)
    op.create_index(op.f("ix_log_entry_object_id_id"), "log_entry", ["object_id", "id"], unique=False)
    op.create_table(
        "operation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rail", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=True),
        sa.Column("refund_id", sa.BigInteger(), nullable=True),
        sa.Column("payout_id", sa.BigInteger(), nullable=True),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", UTCDateTime(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("instructions", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("unknown_since", UTCDateTime(), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("epoch_sent_at", UTCDateTime(), nullable=True),
        sa.Column("events_heard", sa.BigInteger(), nullable=False),
        sa.Column("events_applied", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'collect' AND commitment_id IS NOT NULL) OR (kind = 'credit' AND commitment_id IS NOT NULL AND source_id IS NOT NULL AND provider_ref IS NOT NULL) OR (kind = 'refund' AND refund_id IS NOT NULL AND source_id IS NOT NULL) OR (kind = 'payout' AND payout_id IS NOT NULL)",
            name=op.f("ck_operation_has_its_subject"),
        ),
        sa.CheckConstraint(
            "kind IN ('collect', 'credit', 'refund', 'payout')", name=op.f("ck_operation_kind")
        ),
        sa.CheckConstraint(
            "state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'succeeded', 'failed', 'cancelled', 'needs_operator')",
            name=op.f("ck_operation_state"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_operation_above_zero")),
        sa.ForeignKeyConstraint(["source_id"], ["operation.id"], name=op.f("fk_operation_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
        sa.UniqueConstraint("public_id", name=op.f("uq_operation_public_id")),
    )
    op.create_index("ix_operation_commitment_id", "operation", ["commitment_id"], unique=False)
    op.create_index(
        "ix_operation_due",
        "operation",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('created', 'sending', 'unknown')"),
        postgresql_where=sa.text("state IN ('created', 'sending', 'unknown')"),
    )
    op.create_index("ix_operation_offering_id_state", "operation", ["offering_id", "state"], unique=False)
    op.create_index("ix_operation_payout_id", "operation", ["payout_id"], unique=False)
    op.create_index("ix_operation_rail", "operation", ["rail"], unique=False)
    op.create_index("ix_operation_refund_id", "operation", ["refund_id"], unique=False)
    op.create_index("ix_operation_source_id", "operation", ["source_id"], unique=False)
    op.create_index(
        "ix_operation_under_way",
        "operation",
        ["changed_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'action_required')"),
        postgresql_where=sa.text("state IN ('pending', 'action_required')"),
    )
    op.create_index(
        "ix_operation_unheard",
        "operation",
        ["id"],
        unique=False,
        sqlite_where=sa.text("events_applied < events_heard"),
        postgresql_where=sa.text("events_applied < events_heard"),
    )
    op.create_index(
        "ix_operation_waiting",
        "operation",
        ["state", "kind"],
        unique=False,
        sqlite_where=sa.text("state IN ('created', 'unknown', 'action_required', 'needs_operator')"),
        postgresql_where=sa.text("state IN ('created', 'unknown', 'action_required', 'needs_operator')"),
    )
    op.create_index(
        "uq_operation_collecting",
        "operation",
        ["commitment_id"],
        unique=True,
        sqlite_where=sa.text(
            "kind = 'collect' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
        postgresql_where=sa.text(
            "kind = 'collect' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
    )
    op.create_index(
        "uq_operation_credit",
        "operation",
        ["rail", "provider_ref"],
        unique=True,
        sqlite_where=sa.text("kind = 'credit'"),
        postgresql_where=sa.text("kind = 'credit'"),
    )
    op.create_index(
        "uq_operation_paying",
        "operation",
        ["payout_id"],
        unique=True,
        sqlite_where=sa.text(
            "kind = 'payout' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
        postgresql_where=sa.text(
            "kind = 'payout' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
    )
    op.create_index(
        "uq_operation_refunding",
        "operation",
        ["refund_id"],
        unique=True,
        sqlite_where=sa.text(
            "kind = 'refund' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
        postgresql_where=sa.text(
            "kind = 'refund' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("available_at", UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("quarantined_at", UTCDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["available_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_table(
        "party",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('natural', 'legal')", name=op.f("ck_party_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party")),
        sa.UniqueConstraint("public_id", name=op.f("uq_party_public_id")),
    )
    op.create_table(
        "payout",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("issuer_id", sa.BigInteger(), nullable=False),
        sa.Column("release_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=True),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("paid_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'reserved', 'sending', 'paid')", name=op.f("ck_payout_status")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payout_above_zero")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout")),
        sa.UniqueConstraint("public_id", name=op.f("uq_payout_public_id")),
        sa.UniqueConstraint("release_id", name=op.f("uq_payout_release_id")),
    )
    op.create_index("ix_payout_offering_id_status", "payout", ["offering_id", "status"], unique=False)
    op.create_table(
        "rail_cursor",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("polled_at", UTCDateTime(), nullable=False),
        sa.Column("retry_at", UTCDateTime(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rail_cursor")),
    )
    op.create_table(
        "rail_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rail", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rail_event")),
        sa.UniqueConstraint("rail", "event_id", name=op.f("uq_rail_event_rail_event_id")),
    )
    op.create_table(
        "rate_limit",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("window_start", UTCDateTime(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limit")),
    )
    op.create_table(
        "regime_decision",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("decided_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "(reasons = '[]') = allowed", name=op.f("ck_regime_decision_reasons_when_refused")
        ),
        sa.CheckConstraint(
            "moment IN ('commitment', 'close', 'approval')", name=op.f("ck_regime_decision_moment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regime_decision")),
        sa.UniqueConstraint(
            "subject_id",
            "moment",
            "rule_id",
            "decided_at",
            name=op.f("uq_regime_decision_subject_id_moment_rule_id_decided_at"),
        ),
    )
    op.create_table(
        "register_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("token_class_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("acquired_at", UTCDateTime(), nullable=False),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_register_entry_quantity_not_zero")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_entry")),
        sa.UniqueConstraint(
            "journal_id", "commitment_id", name=op.f("uq_register_entry_journal_id_commitment_id")
        ),
    )
    op.create_index("ix_register_entry_party_id", "register_entry", ["party_id"], unique=False)
    op.create_index(
        "ix_register_entry_token_class_id_party_id",
        "register_entry",
        ["token_class_id", "party_id"],
        unique=False,
    )
    op.create_table(
        "release",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('released', 'returned')", name=op.f("ck_release_kind")),
        sa.CheckConstraint(
            "amount_minor > 0 AND fee_minor >= 0 AND fee_minor <= amount_minor",
            name=op.f("ck_release_amounts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
        sa.UniqueConstraint("journal_id", name=op.f("uq_release_journal_id")),
        sa.UniqueConstraint("key", name=op.f("uq_release_key")),
        sa.UniqueConstraint("public_id", name=op.f("uq_release_public_id")),
    )
    op.create_index("ix_release_offering_id", "release", ["offering_id"], unique=False)
    op.create_table(
        "sandbox_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_event")),
        sa.UniqueConstraint("event_id", name=op.f("uq_sandbox_event_event_id")),
    )
    op.create_table(
        "sandbox_feed",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_sandbox_feed_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_feed")),
    )
    op.create_table(
        "sandbox_line",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("offering_ref", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("booked_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_line")),
    )
    op.create_index("ix_sandbox_line_offering_ref", "sandbox_line", ["offering_ref"], unique=False)
    op.create_table(
        "sandbox_transfer",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("offering_ref", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("payer_name", sa.Text(), nullable=True),
        sa.Column("payer_account", sa.Text(), nullable=True),
        sa.Column("payer_card", sa.Text(), nullable=True),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sandbox_transfer")),
        sa.UniqueConstraint("key", name=op.f("uq_sandbox_transfer_key")),
        sa.UniqueConstraint("ref", name=op.f("uq_sandbox_transfer_ref")),
    )
    op.create_index(
        "ix_sandbox_transfer_due_at",
        "sandbox_transfer",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_sandbox_transfer_operation", "sandbox_transfer", ["operation"], unique=False)
    op.create_index("ix_sandbox_transfer_source_ref", "sandbox_transfer", ["source_ref"], unique=False)
    op.create_table(
        "setup_token",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_setup_token_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setup_token")),
    )
    op.create_table(
        "appointment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.BigInteger(), nullable=False),
        sa.Column("milestone_key", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("appointed_by", sa.BigInteger(), nullable=False),
        sa.Column("appointed_at", UTCDateTime(), nullable=False),
        sa.Column("answer_by", UTCDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("replaces_id", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('appointed', 'accepted', 'declined', 'replaced')", name=op.f("ck_appointment_state")
        ),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_appointment_contract_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_appointment_party_id")),
        sa.ForeignKeyConstraint(["replaces_id"], ["appointment.id"], name=op.f("fk_appointment_replaces_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment")),
        sa.UniqueConstraint(
            "contract_id",
            "milestone_key",
            "party_id",
            name=op.f("uq_appointment_contract_id_milestone_key_party_id"),
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_appointment_public_id")),
    )
    op.create_index("ix_appointment_party_id", "appointment", ["party_id"], unique=False)
    op.create_table(
        "issuer",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("payee_ref", sa.Text(), nullable=False),
        sa.Column("payee_changed_at", UTCDateTime(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_issuer_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuer")),
        sa.UniqueConstraint("party_id", name=op.f("uq_issuer_party_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_issuer_public_id")),
    )
    op.create_table(
        "journal",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["id"],
            ["journal_seal.journal_id"],
            name=op.f("fk_journal_id"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
        sa.UniqueConstraint("key", name=op.f("uq_journal_key")),
        sa.UniqueConstraint("public_id", name=op.f("uq_journal_public_id")),
    )
    op.create_index("ix_journal_offering_id_id", "journal", ["offering_id", "id"], unique=False)
    op.create_table(
        "link_fact",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("noted_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_link_fact_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_fact")),
        sa.UniqueConstraint("party_id", "kind", "mark", name=op.f("uq_link_fact_party_id_kind_mark")),
    )
    op.create_index("ix_link_fact_kind_mark", "link_fact", ["kind", "mark"], unique=False)
    op.create_table(
        "milestone",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.BigInteger(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("tranche_bp", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", UTCDateTime(), nullable=False),
        sa.Column("deadline_at", UTCDateTime(), nullable=True),
        sa.Column("tranche_minor", sa.BigInteger(), nullable=True),
        sa.Column("released_minor", sa.BigInteger(), nullable=False),
        sa.Column("returned_minor", sa.BigInteger(), nullable=False),
        sa.Column("target_at", UTCDateTime(), nullable=True),
        sa.Column("long_stop_at", UTCDateTime(), nullable=True),
        sa.Column("tolled_seconds", sa.BigInteger(), nullable=False),
        sa.Column("moved_seconds", sa.BigInteger(), nullable=False),
        sa.Column("halted_seconds", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tries_left", sa.BigInteger(), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("suspended_reason", sa.Text(), nullable=True),
        sa.Column("suspended_by", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "released_minor >= 0 AND returned_minor >= 0", name=op.f("ck_milestone_amounts_not_negative")
        ),
        sa.CheckConstraint(
            "tranche_minor IS NULL OR released_minor + returned_minor <= tranche_minor",
            name=op.f("ck_milestone_never_more_than_the_tranche"),
        ),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_milestone_contract_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone")),
        sa.UniqueConstraint("contract_id", "key", name=op.f("uq_milestone_contract_id_key")),
        sa.UniqueConstraint("contract_id", "ordinal", name=op.f("uq_milestone_contract_id_ordinal")),
        sa.UniqueConstraint("public_id", name=op.f("uq_milestone_public_id")),
    )
    op.create_index("ix_milestone_offering_id", "milestone", ["offering_id"], unique=False)
    op.create_index("ix_milestone_state_deadline_at", "milestone", ["state", "deadline_at"], unique=False)
    op.create_table(
        "operation_effect",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("operation_id", sa.BigInteger(), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operation.id"], name=op.f("fk_operation_effect_operation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation_effect")),
        sa.UniqueConstraint("operation_id", "effect", name=op.f("uq_operation_effect_operation_id_effect")),
    )
    op.create_table(
        "payer_report",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("operation_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("reported_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "result IN ('same', 'unclear', 'other', 'not_told')", name=op.f("ck_payer_report_result")
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operation.id"], name=op.f("fk_payer_report_operation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payer_report")),
        sa.UniqueConstraint("operation_id", name=op.f("uq_payer_report_operation_id")),
    )
    op.create_table(
        "receipt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=False),
        sa.Column("operation_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decide_by", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "(status = 'doubted') <= (decide_by IS NOT NULL)", name=op.f("ck_receipt_doubt_has_deadline")
        ),
        sa.CheckConstraint(
            "status IN ('waiting', 'doubted', 'open', 'applied', 'returned')", name=op.f("ck_receipt_status")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_receipt_above_zero")),
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"], name=op.f("fk_receipt_operation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.UniqueConstraint("operation_id", name=op.f("uq_receipt_operation_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_receipt_public_id")),
    )
    op.create_index("ix_receipt_commitment_id", "receipt", ["commitment_id"], unique=False)
    op.create_index("ix_receipt_offering_id_status", "receipt", ["offering_id", "status"], unique=False)
    op.create_table(
        "terms_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("published_by", sa.BigInteger(), nullable=False),
        sa.Column("published_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_terms_version_contract_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms_version")),
        sa.UniqueConstraint("contract_id", "number", name=op.f("uq_terms_version_contract_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_terms_version_public_id")),
    )
    op.create_table(
        "user_account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("session_nonce", sa.Text(), nullable=False),
        sa.Column("totp_secret", sa.Text(), nullable=True),
        sa.Column("totp_pending_secret", sa.Text(), nullable=True),
        sa.Column("totp_confirmed_at", UTCDateTime(), nullable=True),
        sa.Column("totp_last_step", sa.BigInteger(), nullable=True),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("locked_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "totp_confirmed_at IS NULL OR totp_secret IS NOT NULL",
            name=op.f("ck_user_account_confirmed_factor_has_secret"),
        ),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_user_account_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("email", name=op.f("uq_user_account_email")),
        sa.UniqueConstraint("party_id", name=op.f("uq_user_account_party_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_user_account_public_id")),
    )
    op.create_table(
        "acknowledgement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("party_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("wording_hash", sa.String(length=64), nullable=False),
        sa.Column("acknowledged_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_acknowledgement_party_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_acknowledgement_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acknowledgement")),
        sa.UniqueConstraint("about", "kind", name=op.f("uq_acknowledgement_about_kind")),
    )
    op.create_index("ix_acknowledgement_party_id_id", "acknowledgement", ["party_id", "id"], unique=False)
    op.create_table(
        "complaint",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("escalated_at", UTCDateTime(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("answered_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("review_reason", sa.Text(), nullable=True),
        sa.Column("review_asked_at", UTCDateTime(), nullable=True),
        sa.Column("review", sa.Text(), nullable=True),
        sa.Column("reviewed_at", UTCDateTime(), nullable=True),
        sa.Column("reviewed_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint(
            "(state = 'received') = (answered_at IS NULL)", name=op.f("ck_complaint_answered_once_it_is")
        ),
        sa.CheckConstraint(
            "(state = 'reviewed') = (reviewed_at IS NOT NULL)", name=op.f("ck_complaint_reviewed_once_it_is")
        ),
        sa.CheckConstraint(
            "state IN ('received', 'answered', 'in_review', 'reviewed')",
            name=op.f("ck_complaint_state_known"),
        ),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (email IS NULL)", name=op.f("ck_complaint_somebody_complains")
        ),
        sa.CheckConstraint(
            "reviewed_by IS NULL OR reviewed_by <> answered_by", name=op.f("ck_complaint_by_a_second_person")
        ),
        sa.ForeignKeyConstraint(["answered_by"], ["user_account.id"], name=op.f("fk_complaint_answered_by")),
        sa.ForeignKeyConstraint(["reviewed_by"], ["user_account.id"], name=op.f("fk_complaint_reviewed_by")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_complaint_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint")),
        sa.UniqueConstraint("public_id", name=op.f("uq_complaint_public_id")),
    )
    op.create_index("ix_complaint_state_due_at", "complaint", ["state", "due_at"], unique=False)
    op.create_index("ix_complaint_user_id_id", "complaint", ["user_id", "id"], unique=False)
    op.create_table(
        "entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("account_version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_entry_amount_not_zero")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_entry_account_id")),
        sa.ForeignKeyConstraint(["journal_id"], ["journal.id"], name=op.f("fk_entry_journal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
        sa.UniqueConstraint(
            "account_id", "account_version", name=op.f("uq_entry_account_id_account_version")
        ),
    )
    op.create_index("ix_entry_journal_id", "entry", ["journal_id"], unique=False)
    op.create_table(
        "investor_declaration",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("income_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_worth_minor", sa.BigInteger(), nullable=False),
        sa.Column("elsewhere_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("wording_hash", sa.String(length=64), nullable=False),
        sa.Column("declared_at", UTCDateTime(), nullable=False),
        sa.Column("valid_until", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "category IN ('retail', 'restricted', 'high_net_worth', 'sophisticated', 'accredited', 'professional')",
            name=op.f("ck_investor_declaration_category_known"),
        ),
        sa.CheckConstraint(
            "elsewhere_minor >= 0", name=op.f("ck_investor_declaration_elsewhere_not_negative")
        ),
        sa.CheckConstraint("income_minor >= 0", name=op.f("ck_investor_declaration_income_not_negative")),
        sa.CheckConstraint(
            "valid_until > declared_at", name=op.f("ck_investor_declaration_valid_for_a_while")
        ),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_investor_declaration_party_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_investor_declaration_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_investor_declaration")),
        sa.UniqueConstraint("public_id", name=op.f("uq_investor_declaration_public_id")),
    )
    op.create_index(
        "ix_investor_declaration_party_id_id", "investor_declaration", ["party_id", "id"], unique=False
    )
    op.create_table(
        "invitation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("invited_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("accepted_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "role IN ('operator', 'supervisor')", name=op.f("ck_invitation_role_by_invitation")
        ),
        sa.ForeignKeyConstraint(["invited_by"], ["user_account.id"], name=op.f("fk_invitation_invited_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("public_id", name=op.f("uq_invitation_public_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
    )
    op.create_table(
        "membership",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("party_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("approved_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "role IN ('investor', 'founder', 'auditor', 'operator', 'supervisor')",
            name=op.f("ck_membership_role_known"),
        ),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_membership_party_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_membership_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint("public_id", name=op.f("uq_membership_public_id")),
        sa.UniqueConstraint("user_id", "party_id", "role", name=op.f("uq_membership_user_id_party_id_role")),
    )
    op.create_index(op.f("ix_membership_party_id_role"), "membership", ["party_id", "role"], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("occurred_at", UTCDateTime(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("mailed_at", UTCDateTime(), nullable=True),
        sa.Column("mail_attempts", sa.BigInteger(), nullable=False),
        sa.Column("mail_after", UTCDateTime(), nullable=True),
        sa.Column("mail_error", sa.Text(), nullable=True),
        sa.Column("read_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_notice_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("key", "user_id", name=op.f("uq_notice_key_user_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_notice_public_id")),
    )
    op.create_index(
        "ix_notice_unmailed",
        "notice",
        ["id"],
        unique=False,
        sqlite_where=sa.text("mailed_at IS NULL"),
        postgresql_where=sa.text("mailed_at IS NULL"),
    )
    op.create_index(
        "ix_notice_unread",
        "notice",
        ["user_id"],
        unique=False,
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.create_index("ix_notice_user_id_id", "notice", ["user_id", "id"], unique=False)
    op.create_table(
        "notice_preference",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("optional_mails", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_notice_preference_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notice_preference")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_recovery_code_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("user_id", "code_hash", name=op.f("uq_recovery_code_user_id_code_hash")),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("contract_hash", sa.Text(), nullable=True),
        sa.Column("manifest_hash", sa.Text(), nullable=True),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=True),
        sa.Column("review_due_at", UTCDateTime(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("verdict_detail", sa.Text(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('draft', 'discarded', 'received', 'decided')", name=op.f("ck_submission_status")
        ),
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"], name=op.f("fk_submission_milestone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission")),
        sa.UniqueConstraint("milestone_id", "number", name=op.f("uq_submission_milestone_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_submission_public_id")),
    )
    op.create_table(
        "token_class",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("issuer_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("authorised_tokens", sa.BigInteger(), nullable=False),
        sa.Column("existing_tokens", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("authorised_tokens > 0", name=op.f("ck_token_class_authorised_above_zero")),
        sa.CheckConstraint("existing_tokens >= 0", name=op.f("ck_token_class_existing_not_negative")),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"], name=op.f("fk_token_class_issuer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_class")),
        sa.UniqueConstraint("code", name=op.f("uq_token_class_code")),
        sa.UniqueConstraint("public_id", name=op.f("uq_token_class_public_id")),
    )
    op.create_table(
        "understanding_attempt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("set_version", sa.Text(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("asked_count", sa.BigInteger(), nullable=False),
        sa.Column("right_count", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("answered_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_understanding_attempt_number_above_zero")),
        sa.CheckConstraint(
            "right_count >= 0 AND right_count <= asked_count",
            name=op.f("ck_understanding_attempt_right_among_asked"),
        ),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_understanding_attempt_party_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_understanding_attempt_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_understanding_attempt")),
        sa.UniqueConstraint("party_id", "number", name=op.f("uq_understanding_attempt_party_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_understanding_attempt_public_id")),
    )
    op.create_table(
        "verification",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("born_on", sa.Date(), nullable=True),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("reminded_at", UTCDateTime(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("decided_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("expires_at", UTCDateTime(), nullable=True),
        sa.Column("warned_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL)", name=op.f("ck_verification_pending_is_undecided")
        ),
        sa.CheckConstraint(
            "(state = 'refused') = (reason_code IS NOT NULL)",
            name=op.f("ck_verification_refused_for_a_reason"),
        ),
        sa.CheckConstraint(
            "(state IN ('verified', 'expired')) = (expires_at IS NOT NULL)",
            name=op.f("ck_verification_verified_until_a_date"),
        ),
        sa.CheckConstraint(
            "reason_code IS NULL OR reason_code IN ('document_unreadable', 'document_expired', 'document_kind', 'name_differs', 'address_differs', 'authority_missing', 'not_served', 'other')",
            name=op.f("ck_verification_reason_known"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'verified', 'expired', 'refused')", name=op.f("ck_verification_state_known")
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["user_account.id"], name=op.f("fk_verification_decided_by")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_verification_party_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_verification_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification")),
        sa.UniqueConstraint("public_id", name=op.f("uq_verification_public_id")),
    )
    op.create_index("ix_verification_party_id_id", "verification", ["party_id", "id"], unique=False)
    op.create_index("ix_verification_state_due_at", "verification", ["state", "due_at"], unique=False)
    op.create_index("ix_verification_state_expires_at", "verification", ["state", "expires_at"], unique=False)
    op.create_index(
        "uq_verification_pending",
        "verification",
        ["party_id"],
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "uq_verification_verified",
        "verification",
        ["party_id"],
        unique=True,
        sqlite_where=sa.text("state = 'verified'"),
        postgresql_where=sa.text("state = 'verified'"),
    )
    op.create_table(
        "attestation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("submission_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("contract_hash", sa.Text(), nullable=False),
        sa.Column("manifest_hash", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("algorithm", sa.Text(), nullable=True),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("signed_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_attestation_party_id")),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_attestation_submission_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attestation")),
        sa.UniqueConstraint("public_id", name=op.f("uq_attestation_public_id")),
        sa.UniqueConstraint("submission_id", "party_id", name=op.f("uq_attestation_submission_id_party_id")),
    )
    op.create_index("ix_attestation_party_id", "attestation", ["party_id"], unique=False)
    op.create_table(
        "complaint_mail",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("complaint_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("mail_attempts", sa.BigInteger(), nullable=False),
        sa.Column("mail_after", UTCDateTime(), nullable=True),
        sa.Column("mailed_at", UTCDateTime(), nullable=True),
        sa.Column("mail_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["complaint_id"], ["complaint.id"], name=op.f("fk_complaint_mail_complaint_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaint_mail")),
        sa.UniqueConstraint("complaint_id", "kind", name=op.f("uq_complaint_mail_complaint_id_kind")),
    )
    op.create_index(
        "ix_complaint_mail_unsent",
        "complaint_mail",
        ["id"],
        unique=False,
        sqlite_where=sa.text("mailed_at IS NULL"),
        postgresql_where=sa.text("mailed_at IS NULL"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("submission_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("uploaded_by", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name=op.f("fk_evidence_submission_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint("public_id", name=op.f("uq_evidence_public_id")),
        sa.UniqueConstraint("submission_id", "ordinal", name=op.f("uq_evidence_submission_id_ordinal")),
    )
    op.create_table(
        "identity_document",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("party_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("verification_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_identity_document_not_empty")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_identity_document_party_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_identity_document_user_id")),
        sa.ForeignKeyConstraint(
            ["verification_id"], ["verification.id"], name=op.f("fk_identity_document_verification_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_document")),
        sa.UniqueConstraint("public_id", name=op.f("uq_identity_document_public_id")),
    )
    op.create_index("ix_identity_document_party_id_id", "identity_document", ["party_id", "id"], unique=False)
    op.create_index(
        "ix_identity_document_verification_id", "identity_document", ["verification_id"], unique=False
    )
    op.create_table(
        "offering",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("issuer_id", sa.BigInteger(), nullable=False),
        sa.Column("token_class_id", sa.BigInteger(), nullable=False),
        sa.Column("contract_id", sa.BigInteger(), nullable=False),
        sa.Column("terms_version_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pitch", sa.Text(), nullable=False),
        sa.Column("story", sa.Text(), nullable=False),
        sa.Column("risks", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("rail", sa.Text(), nullable=False),
        sa.Column("regime", sa.Text(), server_default="private", nullable=False),
        sa.Column("holding", sa.Text(), server_default="escrow_agent", nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_micro", sa.BigInteger(), nullable=False),
        sa.Column("minimum_minor", sa.BigInteger(), nullable=False),
        sa.Column("target_minor", sa.BigInteger(), nullable=False),
        sa.Column("maximum_minor", sa.BigInteger(), nullable=False),
        sa.Column("minimum_ticket_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_bp", sa.BigInteger(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("deadline_at", UTCDateTime(), nullable=False),
        sa.Column("cancel_until", UTCDateTime(), nullable=False),
        sa.Column("long_stop_at", UTCDateTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_since", UTCDateTime(), nullable=False),
        sa.Column("step_due_at", UTCDateTime(), nullable=True),
        sa.Column("version_number", sa.BigInteger(), nullable=False),
        sa.Column("disclosures", sa.Text(), server_default="{}", nullable=False),
        sa.Column("open_since", UTCDateTime(), nullable=True),
        sa.Column("committed_minor", sa.BigInteger(), nullable=False),
        sa.Column("commitment_count", sa.BigInteger(), nullable=False),
        sa.Column("allotment", sa.Text(), nullable=False),
        sa.Column("accept_up_to_minor", sa.BigInteger(), nullable=False),
        sa.Column("offered_minor", sa.BigInteger(), nullable=False),
        sa.Column("unpaid_minor", sa.BigInteger(), nullable=False),
        sa.Column("submitted_by", sa.BigInteger(), nullable=True),
        sa.Column("approved_by", sa.BigInteger(), nullable=True),
        sa.Column("launched_at", UTCDateTime(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("proceeds_minor", sa.BigInteger(), nullable=True),
        sa.Column("end_trigger", sa.Text(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("counted_minor", sa.BigInteger(), nullable=True),
        sa.Column("funding_stated_by", sa.BigInteger(), nullable=True),
        sa.Column("funding_stated_at", UTCDateTime(), nullable=True),
        sa.Column("releases_stopped", sa.Text(), nullable=True),
        sa.Column("halted_since", UTCDateTime(), nullable=True),
        sa.Column("halted_seconds", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("extended_at", UTCDateTime(), nullable=True),
        sa.Column("changes_asked", sa.Text(), nullable=True),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "accept_up_to_minor >= maximum_minor AND (allotment = 'pro_rata' OR accept_up_to_minor = maximum_minor)",
            name=op.f("ck_offering_accepts_up_to"),
        ),
        sa.CheckConstraint("allotment IN ('first_come', 'pro_rata')", name=op.f("ck_offering_allotment")),
        sa.CheckConstraint("holding IN ('escrow_agent', 'issuer_account')", name=op.f("ck_offering_holding")),
        sa.CheckConstraint(
            "committed_minor >= 0 AND offered_minor >= 0 AND committed_minor + offered_minor <= accept_up_to_minor",
            name=op.f("ck_offering_hard_stop"),
        ),
        sa.CheckConstraint("fee_bp >= 0 AND fee_bp <= 2000", name=op.f("ck_offering_fee")),
        sa.CheckConstraint(
            "minimum_minor > 0 AND minimum_minor <= target_minor AND target_minor <= maximum_minor",
            name=op.f("ck_offering_amounts_in_order"),
        ),
        sa.CheckConstraint("minimum_ticket_minor > 0", name=op.f("ck_offering_ticket_above_zero")),
        sa.CheckConstraint("price_micro > 0", name=op.f("ck_offering_price_above_zero")),
        sa.CheckConstraint(
            "submitted_by IS NULL OR approved_by IS NULL OR submitted_by <> approved_by",
            name=op.f("ck_offering_four_eyes"),
        ),
        sa.CheckConstraint(
            "unpaid_minor >= 0 AND unpaid_minor <= maximum_minor / 5", name=op.f("ck_offering_unpaid_places")
        ),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_offering_contract_id")),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"], name=op.f("fk_offering_issuer_id")),
        sa.ForeignKeyConstraint(
            ["terms_version_id"], ["terms_version.id"], name=op.f("fk_offering_terms_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["token_class_id"], ["token_class.id"], name=op.f("fk_offering_token_class_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offering")),
        sa.UniqueConstraint("contract_id", name=op.f("uq_offering_contract_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_offering_public_id")),
        sa.UniqueConstraint("slug", name=op.f("uq_offering_slug")),
    )
    op.create_index("ix_offering_state_deadline_at", "offering", ["state", "deadline_at"], unique=False)
    op.create_table(
        "commitment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("price_micro", sa.BigInteger(), nullable=False),
        sa.Column("terms_version_id", sa.BigInteger(), nullable=False),
        sa.Column("version_number", sa.BigInteger(), nullable=False),
        sa.Column("wording_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_since", UTCDateTime(), nullable=False),
        sa.Column("pay_by", UTCDateTime(), nullable=False),
        sa.Column("is_linked", sa.Boolean(), nullable=False),
        sa.Column("seasons_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "status IN ('awaiting_payment', 'underpaid', 'clearing', 'payment_failed', 'held', 'expired', 'cancelled', 'reversed', 'lapsed')",
            name=op.f("ck_commitment_status"),
        ),
        sa.CheckConstraint("tokens > 0 AND amount_minor > 0", name=op.f("ck_commitment_above_zero")),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_commitment_offering_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_commitment_party_id")),
        sa.ForeignKeyConstraint(
            ["terms_version_id"], ["terms_version.id"], name=op.f("fk_commitment_terms_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment")),
        sa.UniqueConstraint("offering_id", "ordinal", name=op.f("uq_commitment_offering_id_ordinal")),
        sa.UniqueConstraint("public_id", name=op.f("uq_commitment_public_id")),
    )
    op.create_index("ix_commitment_party_id_id", "commitment", ["party_id", "id"], unique=False)
    op.create_index("ix_commitment_status_pay_by", "commitment", ["status", "pay_by"], unique=False)
    op.create_index(
        "uq_commitment_unpaid",
        "commitment",
        ["offering_id", "party_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('awaiting_payment', 'underpaid', 'payment_failed')"),
        postgresql_where=sa.text("status IN ('awaiting_payment', 'underpaid', 'payment_failed')"),
    )
    op.create_table(
        "early_close",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("announced_by", sa.BigInteger(), nullable=False),
        sa.Column("announced_at", UTCDateTime(), nullable=False),
        sa.Column("deadline_at", UTCDateTime(), nullable=False),
        sa.Column("cancel_until", UTCDateTime(), nullable=False),
        sa.Column("earlier_deadline_at", UTCDateTime(), nullable=False),
        sa.Column("earlier_cancel_until", UTCDateTime(), nullable=False),
        sa.Column("cleared_minor", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'announced') = (decided_at IS NULL)", name=op.f("ck_early_close_decided")
        ),
        sa.CheckConstraint(
            "state IN ('announced', 'taken', 'void', 'dropped')", name=op.f("ck_early_close_state")
        ),
        sa.CheckConstraint("deadline_at < earlier_deadline_at", name=op.f("ck_early_close_sooner")),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_early_close_offering_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_early_close")),
        sa.UniqueConstraint("public_id", name=op.f("uq_early_close_public_id")),
    )
    op.create_index("ix_early_close_offering_id", "early_close", ["offering_id"], unique=False)
    op.create_index(
        "uq_early_close_announced",
        "early_close",
        ["offering_id"],
        unique=True,
        sqlite_where=sa.text("state = 'announced'"),
        postgresql_where=sa.text("state = 'announced'"),
    )
    op.create_table(
        "halt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("public_text", sa.Text(), nullable=False),
        sa.Column("is_secret", sa.Boolean(), nullable=False),
        sa.Column("placed_by", sa.BigInteger(), nullable=False),
        sa.Column("placed_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("ends_set_by", sa.BigInteger(), nullable=False),
        sa.Column("extensions", sa.BigInteger(), nullable=False),
        sa.Column("order_reference", sa.Text(), nullable=True),
        sa.Column("order_sha256", sa.Text(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_halt_ended")),
        sa.CheckConstraint("state IN ('open', 'voting', 'ended')", name=op.f("ck_halt_state")),
        sa.CheckConstraint(
            "(order_reference IS NULL) = (order_sha256 IS NULL)", name=op.f("ck_halt_order_whole")
        ),
        sa.CheckConstraint("seconds >= 0 AND extensions >= 0", name=op.f("ck_halt_not_negative")),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_halt_offering_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_halt")),
        sa.UniqueConstraint("public_id", name=op.f("uq_halt_public_id")),
    )
    op.create_index("ix_halt_offering_id", "halt", ["offering_id"], unique=False)
    op.create_index(
        "uq_halt_running",
        "halt",
        ["offering_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "offering_update",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("posted_by", sa.BigInteger(), nullable=False),
        sa.Column("posted_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('progress', 'money', 'material')", name=op.f("ck_offering_update_kind")),
        sa.ForeignKeyConstraint(
            ["offering_id"], ["offering.id"], name=op.f("fk_offering_update_offering_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offering_update")),
        sa.UniqueConstraint("offering_id", "number", name=op.f("uq_offering_update_offering_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_offering_update_public_id")),
    )
    op.create_table(
        "offering_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("price_micro", sa.BigInteger(), nullable=False),
        sa.Column("terms_version_id", sa.BigInteger(), nullable=False),
        sa.Column("published_by", sa.BigInteger(), nullable=False),
        sa.Column("published_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["offering_id"], ["offering.id"], name=op.f("fk_offering_version_offering_id")
        ),
        sa.ForeignKeyConstraint(
            ["terms_version_id"], ["terms_version.id"], name=op.f("fk_offering_version_terms_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offering_version")),
        sa.UniqueConstraint("offering_id", "number", name=op.f("uq_offering_version_offering_id_number")),
        sa.UniqueConstraint("public_id", name=op.f("uq_offering_version_public_id")),
    )
    op.create_table(
        "carried_share",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("releases_at", UTCDateTime(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=True),
        sa.Column("carried_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "(status = 'released') = (journal_id IS NOT NULL)",
            name=op.f("ck_carried_share_released_by_a_journal"),
        ),
        sa.CheckConstraint("status IN ('carried', 'released', 'void')", name=op.f("ck_carried_share_status")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_carried_share_above_zero")),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name=op.f("fk_carried_share_commitment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carried_share")),
        sa.UniqueConstraint(
            "milestone_id", "commitment_id", name=op.f("uq_carried_share_milestone_id_commitment_id")
        ),
    )
    op.create_index(
        "ix_carried_share_offering_id_status", "carried_share", ["offering_id", "status"], unique=False
    )
    op.create_table(
        "commitment_link",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=False),
        sa.Column("other_party_id", sa.BigInteger(), nullable=False),
        sa.Column("is_issuer", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.Column("contest_words", sa.Text(), nullable=True),
        sa.Column("decide_by", UTCDateTime(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "(status = 'contested') <= (decide_by IS NOT NULL)",
            name=op.f("ck_commitment_link_contested_has_deadline"),
        ),
        sa.CheckConstraint(
            "status IN ('stands', 'contested', 'upheld', 'lifted')", name=op.f("ck_commitment_link_status")
        ),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name=op.f("fk_commitment_link_commitment_id")
        ),
        sa.ForeignKeyConstraint(
            ["other_party_id"], ["party.id"], name=op.f("fk_commitment_link_other_party_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment_link")),
        sa.UniqueConstraint(
            "commitment_id",
            "other_party_id",
            "kind",
            name=op.f("uq_commitment_link_commitment_id_other_party_id_kind"),
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_commitment_link_public_id")),
    )
    op.create_index(
        "ix_commitment_link_status_decide_by", "commitment_link", ["status", "decide_by"], unique=False
    )
    op.create_table(
        "halt_toll",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("halt_id", sa.BigInteger(), nullable=False),
        sa.Column("milestone_id", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_halt_toll_not_negative")),
        sa.ForeignKeyConstraint(["halt_id"], ["halt.id"], name=op.f("fk_halt_toll_halt_id")),
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"], name=op.f("fk_halt_toll_milestone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_halt_toll")),
        sa.UniqueConstraint("halt_id", "milestone_id", name=op.f("uq_halt_toll_halt_id_milestone_id")),
    )
    op.create_index("ix_halt_toll_milestone_id", "halt_toll", ["milestone_id"], unique=False)
    op.create_table(
        "offering_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("base_number", sa.BigInteger(), nullable=False),
        sa.Column("patch", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_table", sa.Boolean(), nullable=False),
        sa.Column("proposed_by", sa.BigInteger(), nullable=False),
        sa.Column("proposed_at", UTCDateTime(), nullable=False),
        sa.Column("decide_by", UTCDateTime(), nullable=False),
        sa.Column("is_material", sa.Boolean(), nullable=True),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("version_number", sa.BigInteger(), nullable=True),
        sa.Column("escalated_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("kind IN ('terms', 'update')", name=op.f("ck_offering_change_kind")),
        sa.CheckConstraint(
            "state IN ('proposed', 'effective', 'declined', 'taken_back', 'ended_offering')",
            name=op.f("ck_offering_change_state"),
        ),
        sa.CheckConstraint(
            "NOT (by_table AND is_material IS NOT NULL AND NOT is_material)",
            name=op.f("ck_offering_change_never_taken_away"),
        ),
        sa.CheckConstraint(
            "decided_by IS NULL OR decided_by <> proposed_by", name=op.f("ck_offering_change_four_eyes")
        ),
        sa.ForeignKeyConstraint(
            ["offering_id"], ["offering.id"], name=op.f("fk_offering_change_offering_id")
        ),
        sa.ForeignKeyConstraint(
            ["update_id"], ["offering_update.id"], name=op.f("fk_offering_change_update_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offering_change")),
        sa.UniqueConstraint("offering_id", "number", name=op.f("uq_offering_change_offering_id_number")),
        sa.UniqueConstraint(
            "offering_id", "version_number", name=op.f("uq_offering_change_offering_id_version_number")
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_offering_change_public_id")),
        sa.UniqueConstraint("update_id", name=op.f("uq_offering_change_update_id")),
    )
    op.create_index(
        "ix_offering_change_state_decide_by", "offering_change", ["state", "decide_by"], unique=False
    )
    op.create_index(
        "uq_offering_change_open",
        "offering_change",
        ["offering_id"],
        unique=True,
        sqlite_where=sa.text("state = 'proposed' AND kind = 'terms'"),
        postgresql_where=sa.text("state = 'proposed' AND kind = 'terms'"),
    )
    op.create_table(
        "poll",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("halt_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("yes_minor", sa.BigInteger(), nullable=True),
        sa.Column("no_minor", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("(kind = 'halt') = (halt_id IS NOT NULL)", name=op.f("ck_poll_halt")),
        sa.CheckConstraint("(state = 'decided') = (decided_at IS NOT NULL)", name=op.f("ck_poll_decided")),
        sa.CheckConstraint("kind IN ('halt', 'shortfall')", name=op.f("ck_poll_kind")),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('goes_on', 'winds_down', 'dropped')", name=op.f("ck_poll_outcome")
        ),
        sa.CheckConstraint("state IN ('open', 'decided')", name=op.f("ck_poll_state")),
        sa.ForeignKeyConstraint(["halt_id"], ["halt.id"], name=op.f("fk_poll_halt_id")),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_poll_offering_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poll")),
        sa.UniqueConstraint("halt_id", name=op.f("uq_poll_halt_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_poll_public_id")),
    )
    op.create_index(
        "uq_poll_open",
        "poll",
        ["offering_id", "kind"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "refund",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('open', 'sending', 'done', 'failed', 'unclaimed')", name=op.f("ck_refund_status")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_above_zero")),
        sa.CheckConstraint("part > 0", name=op.f("ck_refund_part_above_zero")),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"], name=op.f("fk_refund_commitment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint(
            "journal_id", "commitment_id", "part", name=op.f("uq_refund_journal_id_commitment_id_part")
        ),
        sa.UniqueConstraint("public_id", name=op.f("uq_refund_public_id")),
    )
    op.create_index("ix_refund_commitment_id", "refund", ["commitment_id"], unique=False)
    op.create_index("ix_refund_offering_id_status", "refund", ["offering_id", "status"], unique=False)
    op.create_index(
        "ix_refund_open",
        "refund",
        ["id"],
        unique=False,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "update_flag",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("flagged_by", sa.BigInteger(), nullable=False),
        sa.Column("flagged_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_update_flag_party_id")),
        sa.ForeignKeyConstraint(["update_id"], ["offering_update.id"], name=op.f("fk_update_flag_update_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_update_flag")),
        sa.UniqueConstraint("public_id", name=op.f("uq_update_flag_public_id")),
        sa.UniqueConstraint("update_id", "party_id", name=op.f("uq_update_flag_update_id_party_id")),
    )
    op.create_table(
        "waiting_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("takes_less", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_since", UTCDateTime(), nullable=False),
        sa.Column("offered_minor", sa.BigInteger(), nullable=False),
        sa.Column("offer_until", UTCDateTime(), nullable=True),
        sa.Column("offers", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=True),
        sa.Column("joined_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "(offered_minor = 0) = (status <> 'offered') AND offered_minor <= amount_minor",
            name=op.f("ck_waiting_entry_offered_minor"),
        ),
        sa.CheckConstraint(
            "(status = 'accepted') = (commitment_id IS NOT NULL)",
            name=op.f("ck_waiting_entry_accepted_is_a_commitment"),
        ),
        sa.CheckConstraint(
            "(status = 'offered') = (offer_until IS NOT NULL)",
            name=op.f("ck_waiting_entry_offer_has_its_end"),
        ),
        sa.CheckConstraint(
            "status IN ('waitlisted', 'offered', 'accepted', 'left', 'lapsed')",
            name=op.f("ck_waiting_entry_status"),
        ),
        sa.CheckConstraint(
            "amount_minor > 0 AND position > 0 AND offers >= 0", name=op.f("ck_waiting_entry_above_zero")
        ),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name=op.f("fk_waiting_entry_commitment_id")
        ),
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"], name=op.f("fk_waiting_entry_offering_id")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_waiting_entry_party_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_entry")),
        sa.UniqueConstraint("commitment_id", name=op.f("uq_waiting_entry_commitment_id")),
        sa.UniqueConstraint("offering_id", "position", name=op.f("uq_waiting_entry_offering_id_position")),
        sa.UniqueConstraint("public_id", name=op.f("uq_waiting_entry_public_id")),
    )
    op.create_index(
        "ix_waiting_entry_offer_until",
        "waiting_entry",
        ["offer_until"],
        unique=False,
        sqlite_where=sa.text("status = 'offered'"),
        postgresql_where=sa.text("status = 'offered'"),
    )
    op.create_index(
        "ix_waiting_entry_offering_id_status_position",
        "waiting_entry",
        ["offering_id", "status", "position"],
        unique=False,
    )
    op.create_index("ix_waiting_entry_party_id", "waiting_entry", ["party_id"], unique=False)
    op.create_index(
        "uq_waiting_entry_active",
        "waiting_entry",
        ["offering_id", "party_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('waitlisted', 'offered')"),
        postgresql_where=sa.text("status IN ('waitlisted', 'offered')"),
    )
    op.create_table(
        "poll_answer",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("party_id", sa.BigInteger(), nullable=False),
        sa.Column("weight_minor", sa.BigInteger(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=True),
        sa.Column("answers", sa.BigInteger(), nullable=False),
        sa.Column("answered_by", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("choice IS NULL OR choice IN ('yes', 'no')", name=op.f("ck_poll_answer_choice")),
        sa.CheckConstraint("(choice IS NULL) = (answered_by IS NULL)", name=op.f("ck_poll_answer_answered")),
        sa.CheckConstraint("weight_minor > 0", name=op.f("ck_poll_answer_above_zero")),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"], name=op.f("fk_poll_answer_party_id")),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_poll_answer_poll_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poll_answer")),
        sa.UniqueConstraint("poll_id", "party_id", name=op.f("uq_poll_answer_poll_id_party_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_poll_answer_public_id")),
    )
    op.create_index("ix_poll_answer_party_id", "poll_answer", ["party_id"], unique=False)
    op.create_table(
        "reconfirmation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("commitment_id", sa.BigInteger(), nullable=False),
        sa.Column("from_number", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("delivered_at", UTCDateTime(), nullable=True),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("answered_by", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "answer IS NULL OR answer IN ('confirmed', 'cancelled', 'silent', 'superseded', 'ended')",
            name=op.f("ck_reconfirmation_answer"),
        ),
        sa.CheckConstraint(
            "(answer IS NULL) = (answered_at IS NULL)", name=op.f("ck_reconfirmation_answered_when")
        ),
        sa.CheckConstraint(
            "(delivered_at IS NULL) = (due_at IS NULL)", name=op.f("ck_reconfirmation_delivered_when")
        ),
        sa.ForeignKeyConstraint(
            ["change_id"], ["offering_change.id"], name=op.f("fk_reconfirmation_change_id")
        ),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name=op.f("fk_reconfirmation_commitment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconfirmation")),
        sa.UniqueConstraint(
            "change_id", "commitment_id", name=op.f("uq_reconfirmation_change_id_commitment_id")
        ),
    )
    op.create_index("ix_reconfirmation_commitment_id", "reconfirmation", ["commitment_id"], unique=False)
    op.create_index(
        "ix_reconfirmation_open",
        "reconfirmation",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("answer IS NULL"),
        postgresql_where=sa.text("answer IS NULL"),
    )
    op.create_index(
        "uq_reconfirmation_open",
        "reconfirmation",
        ["commitment_id"],
        unique=True,
        sqlite_where=sa.text("answer IS NULL"),
        postgresql_where=sa.text("answer IS NULL"),
    )
    triggers.install(op.get_bind(), APPEND_ONLY)


def downgrade() -> None:
    triggers.remove(op.get_bind(), APPEND_ONLY)
    op.drop_index(
        "uq_reconfirmation_open",
        table_name="reconfirmation",
        sqlite_where=sa.text("answer IS NULL"),
        postgresql_where=sa.text("answer IS NULL"),
    )
    op.drop_index(
        "ix_reconfirmation_open",
        table_name="reconfirmation",
        sqlite_where=sa.text("answer IS NULL"),
        postgresql_where=sa.text("answer IS NULL"),
    )
    op.drop_index("ix_reconfirmation_commitment_id", table_name="reconfirmation")
    op.drop_table("reconfirmation")
    op.drop_index("ix_poll_answer_party_id", table_name="poll_answer")
    op.drop_table("poll_answer")
    op.drop_index(
        "uq_waiting_entry_active",
        table_name="waiting_entry",
        sqlite_where=sa.text("status IN ('waitlisted', 'offered')"),
        postgresql_where=sa.text("status IN ('waitlisted', 'offered')"),
    )
    op.drop_index("ix_waiting_entry_party_id", table_name="waiting_entry")
    op.drop_index("ix_waiting_entry_offering_id_status_position", table_name="waiting_entry")
    op.drop_index(
        "ix_waiting_entry_offer_until",
        table_name="waiting_entry",
        sqlite_where=sa.text("status = 'offered'"),
        postgresql_where=sa.text("status = 'offered'"),
    )
    op.drop_table("waiting_entry")
    op.drop_table("update_flag")
    op.drop_index(
        "ix_refund_open",
        table_name="refund",
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
    op.drop_index("ix_refund_offering_id_status", table_name="refund")
    op.drop_index("ix_refund_commitment_id", table_name="refund")
    op.drop_table("refund")
    op.drop_index(
        "uq_poll_open",
        table_name="poll",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.drop_table("poll")
    op.drop_index(
        "uq_offering_change_open",
        table_name="offering_change",
        sqlite_where=sa.text("state = 'proposed' AND kind = 'terms'"),
        postgresql_where=sa.text("state = 'proposed' AND kind = 'terms'"),
    )
    op.drop_index("ix_offering_change_state_decide_by", table_name="offering_change")
    op.drop_table("offering_change")
    op.drop_index("ix_halt_toll_milestone_id", table_name="halt_toll")
    op.drop_table("halt_toll")
    op.drop_index("ix_commitment_link_status_decide_by", table_name="commitment_link")
    op.drop_table("commitment_link")
    op.drop_index("ix_carried_share_offering_id_status", table_name="carried_share")
    op.drop_table("carried_share")
    op.drop_table("offering_version")
    op.drop_table("offering_update")
    op.drop_index(
        "uq_halt_running",
        table_name="halt",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index("ix_halt_offering_id", table_name="halt")
    op.drop_table("halt")
    op.drop_index(
        "uq_early_close_announced",
        table_name="early_close",
        sqlite_where=sa.text("state = 'announced'"),
        postgresql_where=sa.text("state = 'announced'"),
    )
    op.drop_index("ix_early_close_offering_id", table_name="early_close")
    op.drop_table("early_close")
    op.drop_index(
        "uq_commitment_unpaid",
        table_name="commitment",
        sqlite_where=sa.text("status IN ('awaiting_payment', 'underpaid', 'payment_failed')"),
        postgresql_where=sa.text("status IN ('awaiting_payment', 'underpaid', 'payment_failed')"),
    )
    op.drop_index("ix_commitment_status_pay_by", table_name="commitment")
    op.drop_index("ix_commitment_party_id_id", table_name="commitment")
    op.drop_table("commitment")
    op.drop_index("ix_offering_state_deadline_at", table_name="offering")
    op.drop_table("offering")
    op.drop_index("ix_identity_document_verification_id", table_name="identity_document")
    op.drop_index("ix_identity_document_party_id_id", table_name="identity_document")
    op.drop_table("identity_document")
    op.drop_table("evidence")
    op.drop_index(
        "ix_complaint_mail_unsent",
        table_name="complaint_mail",
        sqlite_where=sa.text("mailed_at IS NULL"),
        postgresql_where=sa.text("mailed_at IS NULL"),
    )
    op.drop_table("complaint_mail")
    op.drop_index("ix_attestation_party_id", table_name="attestation")
    op.drop_table("attestation")
    op.drop_index(
        "uq_verification_verified",
        table_name="verification",
        sqlite_where=sa.text("state = 'verified'"),
        postgresql_where=sa.text("state = 'verified'"),
    )
    op.drop_index(
        "uq_verification_pending",
        table_name="verification",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_index("ix_verification_state_expires_at", table_name="verification")
    op.drop_index("ix_verification_state_due_at", table_name="verification")
    op.drop_index("ix_verification_party_id_id", table_name="verification")
    op.drop_table("verification")
    op.drop_table("understanding_attempt")
    op.drop_table("token_class")
    op.drop_table("submission")
    op.drop_table("recovery_code")
    op.drop_table("notice_preference")
    op.drop_index("ix_notice_user_id_id", table_name="notice")
    op.drop_index(
        "ix_notice_unread",
        table_name="notice",
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )
    op.drop_index(
        "ix_notice_unmailed",
        table_name="notice",
        sqlite_where=sa.text("mailed_at IS NULL"),
        postgresql_where=sa.text("mailed_at IS NULL"),
    )
    op.drop_table("notice")
    op.drop_index(op.f("ix_membership_party_id_role"), table_name="membership")
    op.drop_table("membership")
    op.drop_table("invitation")
    op.drop_index("ix_investor_declaration_party_id_id", table_name="investor_declaration")
    op.drop_table("investor_declaration")
    op.drop_index("ix_entry_journal_id", table_name="entry")
    op.drop_table("entry")
    op.drop_index("ix_complaint_user_id_id", table_name="complaint")
    op.drop_index("ix_complaint_state_due_at", table_name="complaint")
    op.drop_table("complaint")
    op.drop_index("ix_acknowledgement_party_id_id", table_name="acknowledgement")
    op.drop_table("acknowledgement")
    op.drop_table("user_account")
    op.drop_table("terms_version")
    op.drop_index("ix_receipt_offering_id_status", table_name="receipt")
    op.drop_index("ix_receipt_commitment_id", table_name="receipt")
    op.drop_table("receipt")
    op.drop_table("payer_report")
    op.drop_table("operation_effect")
    op.drop_index("ix_milestone_state_deadline_at", table_name="milestone")
    op.drop_index("ix_milestone_offering_id", table_name="milestone")
    op.drop_table("milestone")
    op.drop_index("ix_link_fact_kind_mark", table_name="link_fact")
    op.drop_table("link_fact")
    op.drop_index("ix_journal_offering_id_id", table_name="journal")
    op.drop_table("journal")
    op.drop_table("issuer")
    op.drop_index("ix_appointment_party_id", table_name="appointment")
    op.drop_table("appointment")
    op.drop_table("setup_token")
    op.drop_index("ix_sandbox_transfer_source_ref", table_name="sandbox_transfer")
    op.drop_index("ix_sandbox_transfer_operation", table_name="sandbox_transfer")
    op.drop_index(
        "ix_sandbox_transfer_due_at",
        table_name="sandbox_transfer",
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.drop_table("sandbox_transfer")
    op.drop_index("ix_sandbox_line_offering_ref", table_name="sandbox_line")
    op.drop_table("sandbox_line")
    op.drop_table("sandbox_feed")
    op.drop_table("sandbox_event")
    op.drop_index("ix_release_offering_id", table_name="release")
    op.drop_table("release")
    op.drop_index("ix_register_entry_token_class_id_party_id", table_name="register_entry")
    op.drop_index("ix_register_entry_party_id", table_name="register_entry")
    op.drop_table("register_entry")
    op.drop_table("regime_decision")
    op.drop_table("rate_limit")
    op.drop_table("rail_event")
    op.drop_table("rail_cursor")
    op.drop_index("ix_payout_offering_id_status", table_name="payout")
    op.drop_table("payout")
    op.drop_table("party")
    op.drop_index(
        "ix_outbox_open",
        table_name="outbox",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.drop_table("outbox")
    op.drop_index(
        "uq_operation_refunding",
        table_name="operation",
        sqlite_where=sa.text(
            "kind = 'refund' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
        postgresql_where=sa.text(
            "kind = 'refund' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
    )
    op.drop_index(
        "uq_operation_paying",
        table_name="operation",
        sqlite_where=sa.text(
            "kind = 'payout' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
        postgresql_where=sa.text(
            "kind = 'payout' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
    )
    op.drop_index(
        "uq_operation_credit",
        table_name="operation",
        sqlite_where=sa.text("kind = 'credit'"),
        postgresql_where=sa.text("kind = 'credit'"),
    )
    op.drop_index(
        "uq_operation_collecting",
        table_name="operation",
        sqlite_where=sa.text(
            "kind = 'collect' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
        postgresql_where=sa.text(
            "kind = 'collect' AND state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
        ),
    )
    op.drop_index(
        "ix_operation_waiting",
        table_name="operation",
        sqlite_where=sa.text("state IN ('created', 'unknown', 'action_required', 'needs_operator')"),
        postgresql_where=sa.text("state IN ('created', 'unknown', 'action_required', 'needs_operator')"),
    )
    op.drop_index(
        "ix_operation_unheard",
        table_name="operation",
        sqlite_where=sa.text("events_applied < events_heard"),
        postgresql_where=sa.text("events_applied < events_heard"),
    )
    op.drop_index(
        "ix_operation_under_way",
        table_name="operation",
        sqlite_where=sa.text("state IN ('pending', 'action_required')"),
        postgresql_where=sa.text("state IN ('pending', 'action_required')"),
    )
    op.drop_index("ix_operation_source_id", table_name="operation")
    op.drop_index("ix_operation_refund_id", table_name="operation")
    op.drop_index("ix_operation_rail", table_name="operation")
    op.drop_index("ix_operation_payout_id", table_name="operation")
    op.drop_index("ix_operation_offering_id_state", table_name="operation")
    op.drop_index(
        "ix_operation_due",
        table_name="operation",
        sqlite_where=sa.text("state IN ('created', 'sending', 'unknown')"),
        postgresql_where=sa.text("state IN ('created', 'sending', 'unknown')"),
    )
    op.drop_index("ix_operation_commitment_id", table_name="operation")
    op.drop_table("operation")
    op.drop_index(op.f("ix_log_entry_object_id_id"), table_name="log_entry")
    op.drop_index(op.f("ix_log_entry_actor_user_id_id"), table_name="log_entry")
    op.drop_table("log_entry")
    op.drop_table("journal_seal")
    op.drop_table("job_failure")
    op.drop_table("idempotency_key")
    op.drop_index("ix_escrow_statement_offering_id_commitment_id", table_name="escrow_statement")
    op.drop_index("ix_escrow_statement_journal_id", table_name="escrow_statement")
    op.drop_table("escrow_statement")
    op.drop_table("demo_clock")
    op.drop_table("contract")
    op.drop_index("ix_account_offering_id", table_name="account")
    op.drop_table("account")
