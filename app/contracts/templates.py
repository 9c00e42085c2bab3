"""The library of contract templates: the files beside this module, read once, in the order in which they are offered.

What a template is and how it is dated is ``milestones.template``; putting one into a draft is ``app.offerings``'.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import yaml

from app.errors import NotFound
from milestones.template import Template, read_template

__all__ = ["NAMES", "Template", "library", "template"]

#: Names of the templates: a file of each stands in ``library/``, and the first is shown first.
NAMES = ("hardware", "software", "biotech", "film", "food", "solar", "restaurant", "protocol", "game")


@lru_cache(maxsize=1)
def library() -> tuple[Template, ...]:
    """Return every template, in the order of :data:`NAMES`."""
    return tuple(_read(name) for name in NAMES)


def template(name: str) -> Template:
    """Return the template with this name. Raises ``NotFound`` (``template_not_found``)."""
    for each in library():
        if each.name == name:
            return each
    raise NotFound(
        f"There is no contract template “{name[:60]}”. There are: {', '.join(NAMES)}.", code="template_not_found"
    )


def _read(name: str) -> Template:
    text = resources.files("app.contracts").joinpath(f"library/{name}.yaml").read_text(encoding="utf-8")
    return read_template(name, yaml.safe_load(text))
