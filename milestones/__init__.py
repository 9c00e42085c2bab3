"""The milestone contract as pure values and functions.

Everything here is a function of its arguments: no database, no web, no clock, no randomness. `now`, ids, holidays and
known auditors are passed in. The application maps its rows to these values and back and never re-implements a rule.

Where to find what: `money` and `apportion` (exact integers), `states` and `waiting` (one table of transitions, one of
what is waited for), `terms`, `document`, `written`, `lint`, `diff` (the contract), `verdict` (findings to a result),
`plan` (the engine that runs a contract, of the pieces in `running` and the parts of a `tranche`), `simulate` (the same
engine asked "what if"), `calendar` (business days).
"""
