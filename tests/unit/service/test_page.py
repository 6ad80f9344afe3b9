"""docs/connector-service.md names every option and every metric, with what is so."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from hardpoint.cli.serve import agent, connector
from hardpoint.connectors.service.metrics import Metrics

PAGE = (Path(__file__).parents[3] / "docs" / "connector-service.md").read_text()
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]


def shown(option: click.Option) -> str:
    default = option.default
    if default is None or option.multiple or default is False or repr(default).startswith("Sentinel"):
        return ""
    return f"`{default}`" if default != "" else ""


def test_options() -> None:
    documented = {name: row[1] for row in ROWS if "--" in row[0] for name in re.findall(r"`(--[\w-]+)`", row[0])}
    options = [p for p in connector.params if isinstance(p, click.Option) and not p.hidden and p.name != "help"]
    assert {option.opts[0] for option in options} == set(documented)
    for option in options:
        if option.name != "journal":  # its default is a setting
            assert documented[option.opts[0]] == shown(option), option.name


def test_the_old_name_takes_the_same_options() -> None:
    assert [p.opts for p in agent.params] == [p.opts for p in connector.params]


def test_metrics() -> None:
    documented = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in ROWS if "--" not in row[0]}
    metrics = Metrics()
    made = {}
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            name = metric._name + ("_total" if metric._type == "counter" else "")
            made[name] = set(metric._labelnames)
    assert documented == made


@pytest.mark.parametrize("words", re.findall(r"^    hardpoint serve connector(.*)$", PAGE, re.MULTILINE))
def test_commands(words: str) -> None:
    connector.make_context("connector", words.split())
