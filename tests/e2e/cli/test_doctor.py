"""`hardpoint doctor` in an environment with packages that were made for the test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PACKAGES = {
    "fine": """
        from hardpoint.integration import Integration
        integration = Integration(
            name="fine", title="Fine", summary="Greets people.", requires=("click",), supports=("click>=8",),
            cli={"greet": "fine_package:greet"},
        )
        def __getattr__(name):
            import click
            @click.command()
            @click.argument("who")
            def greet(who):
                click.echo(f"hello {who}")
            return greet
    """,
    "lacking": """
        from hardpoint.integration import Integration
        integration = Integration(
            name="lacking", title="Lacking", summary="Nothing.", extra="lacking", distribution="lacking-package",
            requires=("nothing_of_that_name",), supports=("nothing-of-that-name>=1",),
        )
    """,
    "old": """
        from hardpoint.integration import Integration
        integration = Integration(name="old", title="Old", summary="Nothing.", extra="old", supports=("click>=99",))
    """,
    "broken": "raise ValueError('this package is broken')",
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of installed packages."""
    import textwrap

    root = tmp_path_factory.mktemp("site")
    for name, code in PACKAGES.items():
        (root / f"{name}_package.py").write_text(textwrap.dedent(code))
        info = root / f"{name}_package-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[hardpoint.integrations]\n{name} = {name}_package:integration\n")
    return str(root)


def test_all_integrations(hardpoint: Any, packages: str, state_dir: Path) -> None:
    ended = hardpoint("doctor", PYTHONPATH=packages)
    assert ended.status == 0
    rows = {line.split()[0]: line for line in ended.out.splitlines() if line}
    assert rows["state:"].endswith(str(state_dir))
    assert rows["fine"].split()[1:3] == ["ok", "click"]
    assert "missing" in rows["lacking"]
    assert rows["lacking"].endswith("pip install 'lacking-package[lacking]'")
    assert rows["old"].endswith("pip install 'hardpoint[old]'")
    assert "broken  broken (broken_package:integration): ValueError: this package is broken" in ended.out


def test_json(hardpoint: Any, packages: str) -> None:
    data = hardpoint("doctor", "--json", PYTHONPATH=packages).json
    assert {"hardpoint", "python", "platform", "configuration", "state"} < data.keys()
    by_name = {item["name"]: item for item in data["integrations"]}
    assert by_name["fine"]["usable"] is True
    assert by_name["fine"]["found"].keys() == {"click"}
    assert by_name["lacking"] == {
        "name": "lacking",
        "title": "Lacking",
        "usable": False,
        "found": {},
        "supports": ["nothing-of-that-name>=1"],
        "missing": ["Lacking needs nothing-of-that-name>=1, but it is not installed."],
        "remedy": "pip install 'lacking-package[lacking]'",
    }
    assert "broken" in {item["name"] for item in data["broken"]}


@pytest.mark.parametrize(("name", "status"), [("fine", 0), ("lacking", 3), ("old", 3), ("broken", 3), ("unknown", 2)])
def test_one_integration(hardpoint: Any, packages: str, name: str, status: int) -> None:
    assert hardpoint("doctor", name, PYTHONPATH=packages).status == status


def test_the_configuration_is_named_and_checked(hardpoint: Any, tmp_path: Path) -> None:
    file = tmp_path / "hardpoint.toml"
    file.write_text("[local]\nmax_parallelism = 3\n")
    assert f"configuration:  {file}" in hardpoint("doctor", cwd=tmp_path).out
    file.write_text("[local]\nmax_parallel = 3\n")
    ended = hardpoint("doctor", cwd=tmp_path)
    assert ended.status == 0
    assert "broken: " in ended.out
    assert "'max_parallel'" in ended.out


def test_commands_of_integrations(hardpoint: Any, packages: str) -> None:
    assert "  greet       Greets people." in hardpoint("--help", PYTHONPATH=packages).out
    assert hardpoint("greet", "world", PYTHONPATH=packages).out == "hello world\n"
