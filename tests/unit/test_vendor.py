"""What is vendored is what its list says, every icon in use is in the sprite, and the style sheets stay small.

Whether pages look right is judged by people and by the browser tests.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "static" / "vendor"
CSS = sorted((ROOT / "static" / "css").glob("*.css"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LISTED = json.loads((VENDOR / "VENDOR.json").read_text())

#: Licences that let the files be shipped with the program.
PERMISSIVE = {"0BSD", "MIT", "OFL-1.1"}
#: A first view may weigh 200 KB in all, fonts and page with it.
CSS_BYTES = 60 * 1024


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["name"])
def test_vendored_files_have_their_sums_and_licence(entry: dict) -> None:
    folder = VENDOR / entry["folder"]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    assert found == entry["files"]
    assert entry["folder"].endswith("-" + entry["version"])
    assert entry["licence"] in PERMISSIVE
    assert "LICENSE" in found
    assert entry["source"]


def test_nothing_is_vendored_without_being_listed() -> None:
    folders = {path.name for path in VENDOR.iterdir() if path.is_dir()}
    assert folders == {entry["folder"] for entry in LISTED}


def test_every_vendored_file_a_page_names_exists() -> None:
    for path in TEMPLATES:
        for name in re.findall(r"vendor/[\w./-]+\.(?:svg|js|woff2)", path.read_text()):
            assert (ROOT / "static" / name).is_file(), (path, name)
    for path in CSS:
        for name in re.findall(r'url\("\.\./(vendor/[^"]+)"\)', path.read_text()):
            assert (ROOT / "static" / name).is_file(), (path, name)


def test_every_icon_in_use_is_in_the_sprite() -> None:
    (sprite,) = VENDOR.glob("tabler-icons-*/sprite.svg")
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', sprite.read_text()))
    used = {name for path in TEMPLATES for name in re.findall(r"\bicon\('([\w-]+)'", path.read_text())} | set(
        re.findall(r"'(?:good|warn|bad|info|accent|calm)', '([\w-]+)', ", _states())
    )
    assert "lock" in used
    assert used - drawn == set()


def test_style_sheets_stay_small_and_inside_the_policy() -> None:
    assert sum(path.stat().st_size for path in CSS) < CSS_BYTES
    for path in CSS:
        assert "data:" not in path.read_text(), path


def test_ux_1_no_page_has_an_inline_style_or_script() -> None:
    for path in TEMPLATES:
        if "emails" in path.parts:
            continue
        text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.S)
        assert not re.search(r'\sstyle="|<style|<script(?![^>]*\ssrc=)|\son[a-z]+="|["(]data:', text), path


def _states() -> str:
    return (ROOT / "templates" / "macros" / "states.html").read_text()
