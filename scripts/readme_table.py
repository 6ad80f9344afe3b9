"""Writes the table of integrations, which is made from the manifests, into README.md and docs/index.md.

``--check`` changes nothing and fails if a table is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hardpoint.integration import catalogue

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "docs/integrations/", "docs/index.md": "integrations/"}
BEGIN, END = "<!-- integrations: made by `make docs` -->\n", "<!-- end of integrations -->"


def table(links: str) -> str:
    """The built-in integrations as a Markdown table; `links` leads to the folder of their pages."""
    rows = ["| Integration | What it does | Install |", "|---|---|---|"]
    for manifest in catalogue.all():
        if manifest.distribution == "hardpoint":
            install = f"`pip install 'hardpoint[{manifest.extra}]'`" if manifest.extra else "nothing else"
            rows.append(f"| [{manifest.title}]({links}{manifest.name}.md) | {manifest.summary} | {install} |")
    return "".join(f"{row}\n" for row in rows)


def renewed(page: str) -> str:
    """The text of a page, with the table as it should be."""
    before, _, rest = (ROOT / page).read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{page} has no place for the table: it should have the lines\n{BEGIN}{END}")
    return f"{before}{BEGIN}{table(PAGES[page])}{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the tables, or check them."""
    stale = [page for page in PAGES if renewed(page) != (ROOT / page).read_text(encoding="utf-8")]
    if "--check" in arguments:
        if stale:
            print(f"Out of date: {', '.join(stale)}. `make docs` mends it.", file=sys.stderr)
        return bool(stale)
    for page in stale:
        (ROOT / page).write_text(renewed(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
