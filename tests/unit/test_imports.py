"""What importing costs: counted in modules, since times depend on the machine."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest

import hardpoint

HEAVY = {
    "aiobotocore",
    "boto3",
    "botocore",
    "duckdb",
    "fsspec",
    "google.cloud",
    "grpc",
    "kubernetes",
    "matplotlib",
    "memray",
    "numpy",
    "pandas",
    "pandera",
    "plotly",
    "polars",
    "pyarrow",
    "pydantic",
    "requests",
    "s3fs",
    "sqlalchemy",
}

WORKFLOW = """
from hardpoint import task, workflow

@task
def double(n: int) -> int:
    return 2 * n

@workflow
def quadruple(n: int = 1) -> int:
    return double(n=double(n=n))
"""


def modules_after(code: str) -> set[str]:
    """The modules that a new interpreter has when it has run `code`."""
    report = "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code + report], check=True, capture_output=True, text=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def foreign(modules: set[str]) -> set[str]:
    """The third parties' top-level packages among them; what starts every interpreter of this environment aside."""
    tops = {name.partition(".")[0] for name in modules - modules_after("")}
    return tops - set(sys.stdlib_module_names) - {"__main__"}


@pytest.mark.parametrize("code", ["import hardpoint", WORKFLOW], ids=["package", "workflow"])
def test_defining_a_workflow_needs_the_standard_library_alone(code: str) -> None:
    assert foreign(modules_after(code)) == {"hardpoint"}


def test_importing_the_package_imports_no_room() -> None:
    rooms = {m.split(".")[1] for m in modules_after("import hardpoint") if m.startswith("hardpoint.")}
    assert rooms <= {"_lazy", "errors"}


@pytest.mark.parametrize("room", sorted(m.name for m in pkgutil.iter_modules(hardpoint.__path__)))
def test_no_room_imports_anything_heavy(room: str) -> None:
    assert modules_after(f"import hardpoint.{room}") & HEAVY == set()


def test_a_manifest_imports_nothing_of_its_integration() -> None:
    modules = modules_after("from hardpoint.integration import catalogue; assert catalogue.all()")
    assert modules & HEAVY == set()
    assert [m for m in modules if m.startswith("hardpoint.integrations.") and m.count(".") > 2] == []


HELP = """
import contextlib, sys
from hardpoint.cli.main import main

sys.argv = ["hardpoint", "--help"]
with contextlib.suppress(SystemExit):
    main()
"""


def test_the_command_line_starts_light() -> None:
    assert modules_after(HELP) & HEAVY == set()
