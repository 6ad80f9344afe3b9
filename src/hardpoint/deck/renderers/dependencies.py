"""What is installed where a task ran."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from hardpoint.deck.markup import escape

if TYPE_CHECKING:
    from importlib.metadata import Distribution

__all__ = ["PythonDependencyRenderer"]


class PythonDependencyRenderer:
    """Shows the installed distributions and their versions, and the same as a ``requirements.txt`` that can be copied.

    Args:
        title: A heading that a screen reader says.
    """

    def __init__(self, title: str = "Dependencies") -> None:
        self.title = title

    def to_html(self, python_value: object = None) -> str:
        """The table. URLs are without user names, passwords, queries and fragments, since tokens hide there."""
        from importlib.metadata import distributions

        # The first of a name on the path is the one that is imported.
        found: dict[str, tuple[str, str, str]] = {}
        for distribution in distributions():
            name = distribution.metadata["Name"]
            if name:  # a leftover folder has none
                key = name.lower().replace("_", "-").replace(".", "-")
                found.setdefault(key, (name, distribution.version, requirement(distribution)))
        entries = [found[key] for key in sorted(found)]
        rows = "".join(
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(version)}</td></tr>' for name, version, _ in entries
        )
        lines = escape("\n".join(line for _, _, line in entries))
        return (
            '<div><button type="button" data-hp-copy>Copy table as requirements.txt</button>'
            f'<details class="hp-fold"><summary>requirements.txt</summary><pre>{lines}</pre></details></div>'
            f'<div class="hp-scroll"><table class="hp-table" aria-label="{escape(self.title)}">'
            f'<thead><tr><th scope="col">Name</th><th scope="col">Version</th></tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )


def requirement(distribution: Distribution) -> str:
    """The line of a ``requirements.txt`` that installs the distribution again.

    Where it was installed from: https://packaging.python.org/en/latest/specifications/direct-url/
    """
    name = distribution.metadata["Name"]
    pinned = f"{name}=={distribution.version}"
    origin = distribution.read_text("direct_url.json")
    if origin is None:
        return pinned
    try:
        direct: dict[str, Any] = json.loads(origin)
        url = _without_credentials(direct["url"])
    except (ValueError, KeyError, TypeError):  # written by a broken installer; the version still holds
        return pinned
    vcs = direct.get("vcs_info")
    if vcs:
        return f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    if url.startswith("file:"):  # a folder of the machine where the task ran
        return f"# {pinned} was installed from a local folder"
    return f"{name} @ {url}"


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    # ssh needs the user's name; over HTTP a name may well be a token.
    kept = f"{user.partition(':')[0]}@" if at and parts.scheme.endswith("ssh") else ""
    return urlunsplit((parts.scheme, kept + host, parts.path, "", ""))
