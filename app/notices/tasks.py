"""Jobs and handlers of notices (filled by the notices feature)."""

JOBS = ()
HANDLERS = {"notice": lambda session, payload, now: None}
