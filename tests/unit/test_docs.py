"""README and docs say what is so: their tables, their links and their examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from hardpoint.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
EXAMPLE = re.compile(
    r"<!-- example: (\S+) -->\n```python\n(.*?)```\n+(?:<!-- prints -->\n```text\n(.*?)```)?", re.DOTALL
)
EXAMPLES = [
    pytest.param(path, *match.groups(), id=f"{path.relative_to(ROOT)}-{match[1]}")
    for path in PAGES
    for match in EXAMPLE.finditer(path.read_text())
]
EXCERPT = re.compile(r"<!-- from: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
EXCERPTS = [
    pytest.param(*match.groups(), id=f"{path.relative_to(ROOT)}-{match[1]}")
    for path in PAGES
    for match in EXCERPT.finditer(path.read_text())
]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_tables_of_integrations_are_those_of_the_manifests() -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts/readme_table.py"), "--check"], check=True)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_can_be_reached() -> None:
    index = (ROOT / "docs/index.md").read_text()
    pages = [str(path.relative_to(ROOT / "docs")) for path in PAGES if path.is_relative_to(ROOT / "docs")]
    assert [page for page in pages if page != "index.md" and f"({page})" not in index] == []


@pytest.mark.parametrize(("page", "file", "source", "prints"), EXAMPLES)
def test_examples_run(page: Path, file: str, source: str, prints: str | None, tmp_path: Path) -> None:
    (tmp_path / file).write_text(source)
    ran = subprocess.run(
        [sys.executable, "-W", "error", file], cwd=tmp_path, env=os.environ.copy(), capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    if prints is not None:
        assert ran.stdout == prints


@pytest.mark.parametrize(("file", "source"), EXCERPTS)
def test_excerpts_are_what_the_file_says(file: str, source: str) -> None:
    assert source in (ROOT / file).read_text()


SETTINGS = [
    pytest.param(section, key, hint, getattr(getattr(Settings(), section), key), id=f"{section}-{key}")
    for section, kind in get_type_hints(Settings).items()
    if section != "source"
    for key, hint in get_type_hints(kind, include_extras=True).items()
]


@pytest.mark.parametrize(("section", "key", "hint", "preset"), SETTINGS)
def test_every_setting_is_documented(section: str, key: str, hint: Any, preset: Any) -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    part = re.search(rf"^## `\[{section}\]`.*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert part is not None
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part[0].splitlines() if line[:1] == "|"]
    ((_, default, _, listens),) = [row for row in rows if row[0] == f"`{key}`"]
    assert re.findall(r"`(\w+)`", listens) == [
        name for extra in getattr(hint, "__metadata__", ()) for name in extra.names
    ]
    if preset != "":
        assert default == f"`{str(preset).lower() if isinstance(preset, bool) else preset}`"
