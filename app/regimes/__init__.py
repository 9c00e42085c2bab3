"""Regimes: regulatory figures as dated data, the pure rules that read them, and the decisions that were made.

Figures stand in ``data/*.toml``; no rule has one written in its code. Not legal advice, and no claim of any
authorisation.
"""
