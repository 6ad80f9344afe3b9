"""Manifests: what they promise, how they are found, and that a stranger's broken one harms nobody else."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hardpoint.errors import MissingDependencyError, UserError
from hardpoint.integration import ENTRY_POINT_GROUP, Catalogue, Integration, catalogue, public_path
from hardpoint.types import TypeEngine

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(p.parent.name for p in (ROOT / "src/hardpoint/integrations").glob("*/__init__.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {
    name: {(r := Requirement(text)).name: r for text in texts}
    for name, texts in PROJECT["optional-dependencies"].items()
}


# -- the integrations that ship with the package -----------------------------------------------------------------------


def test_every_folder_has_an_entry_point_and_every_entry_point_a_folder() -> None:
    assert PROJECT["entry-points"][ENTRY_POINT_GROUP] == {
        name: f"hardpoint.integrations.{name}:integration" for name in FOLDERS
    }


def test_nothing_in_this_environment_is_broken() -> None:
    found = {manifest.name for manifest in catalogue.all()}
    assert catalogue.broken == []
    assert found >= {*FOLDERS, "lakeq"}


@pytest.mark.parametrize("name", FOLDERS)
class TestEach:
    def test_the_manifest_bears_the_name_of_its_folder(self, name: str) -> None:
        manifest = catalogue.get(name)
        assert (manifest.name, manifest.package) == (name, f"hardpoint.integrations.{name}")
        assert manifest.distribution == "hardpoint"
        assert manifest.summary.endswith(".")

    def test_every_name_in_it_exists(self, name: str) -> None:
        manifest = catalogue.get(name)
        manifest.check()
        for ref in manifest.references():
            assert ref.load() is not None

    def test_its_page_exports_what_type_checkers_see(self, name: str) -> None:
        seen, statements = _read(ROOT / f"src/hardpoint/integrations/{name}/__init__.py")
        manifest = catalogue.get(name)
        assert seen == {export: manifest.ref(path).path for export, path in manifest.exported.items()}
        assert statements == ["integration", "(__getattr__, __dir__, __all__)"]

    def test_it_is_short(self, name: str) -> None:
        lines = (ROOT / f"src/hardpoint/integrations/{name}/__init__.py").read_text().splitlines()
        assert len(lines) < 60

    def test_its_extra_installs_what_it_supports(self, name: str) -> None:
        manifest = catalogue.get(name)
        if manifest.extra is None:  # it needs nothing
            assert (manifest.requires, manifest.supports, name in EXTRAS) == ((), (), False)
            return
        assert manifest.extra == name
        extra = EXTRAS[name]
        for requirement in map(Requirement, manifest.supports):
            assert extra[requirement.name].specifier == requirement.specifier
        assert all(re.search(">=", str(requirement.specifier)) for requirement in extra.values())
        (everything,) = EXTRAS["all"].values()
        assert name in everything.extras

    def test_it_has_a_page_in_the_documentation(self, name: str) -> None:
        page = (ROOT / f"docs/integrations/{name}.md").read_text()
        assert page.startswith(f"# {catalogue.get(name).title}")
        for export in catalogue.get(name).exported:
            assert export in page


def _read(path: Path) -> tuple[dict[str, str], list[str]]:
    """What a manifest's page imports under TYPE_CHECKING, as name to reference; and what it assigns beside constants."""
    seen: dict[str, str] = {}
    statements: list[str] = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If):
            assert ast.unparse(node.test) == "TYPE_CHECKING"
            for line in node.body:
                assert isinstance(line, ast.ImportFrom), ast.unparse(line)
                # A name is handed on to the user's type checker only when it is imported as itself.
                assert all(alias.asname == alias.name for alias in line.names), ast.unparse(line)
                seen.update({alias.name: f"{line.module}:{alias.name}" for alias in line.names})
        elif isinstance(node, ast.Assign):
            assigned = map(ast.unparse, node.targets)
            statements += [target for target in assigned if not re.fullmatch("_[A-Z_]+", target)]
        else:
            assert isinstance(node, (ast.ImportFrom, ast.Import, ast.Expr)), ast.unparse(node)
    return seen, statements


def test_type_checkers_know_every_exported_name(tmp_path: Path) -> None:
    lines = []
    for manifest in catalogue.all():
        for number, name in enumerate(manifest.exported):
            alias = f"{manifest.name}_{number}"
            lines += [f"from {manifest.package} import {name} as {alias}", f"reveal_type({alias})"]
    (tmp_path / "names.py").write_text("\n".join(lines))
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(tmp_path / "names.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    revealed = re.findall(r'names\.py:\d+: note: Revealed type is "(.*)"', ran.stdout)
    assert len(revealed) == len(lines) / 2, ran.stdout
    assert [t for t in revealed if t == "Any"] == []


# -- a third party's package -------------------------------------------------------------------------------------------


def test_a_third_partys_manifest_is_found() -> None:
    manifest = catalogue.get("lakeq")
    assert manifest.package == "hardpoint_lakeq"
    assert next(manifest.problems(), None) is None


def test_a_third_partys_type_needs_no_import() -> None:
    code = """
import sys
import lakeq
from hardpoint.types import TypeEngine
assert not [name for name in sys.modules if name.startswith("hardpoint_lakeq")]
codec = TypeEngine.codec(dict[str, lakeq.Interval])
literal = codec.encode({"a": lakeq.Interval(1, 5)})
assert literal.map.literals["a"].scalar.primitive.string_value == "1..5"
assert codec.decode(literal) == {"a": lakeq.Interval(1, 5)}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_third_partys_exports_are_imported_when_asked_for() -> None:
    import hardpoint_lakeq
    import lakeq

    transformer = TypeEngine.get_transformer(lakeq.Interval)
    assert isinstance(transformer, hardpoint_lakeq.IntervalTransformer)
    assert hardpoint_lakeq.__all__ == ["IntervalTransformer", "LakeQ", "LakeQCount"]


# -- strangers ---------------------------------------------------------------------------------------------------------

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package with one module and, if it is given, an entry point named as the module."""
    monkeypatch.syspath_prepend(tmp_path)

    def do(name: str, source: str = "", *, version: str = "1.0", target: str | None = None) -> None:
        (tmp_path / f"{name}.py").write_text(f"from hardpoint.integration import Integration\n{source}")
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        if target is not None:
            (info / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{name} = {target}\n")

    return do


def _manifest(name: str, more: str = "") -> str:
    return f'integration = Integration(name="{name}", title="T", summary="S.", {more})\n'


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("import no_such_library", ModuleNotFoundError, "no_such_library"),
        ("raise SystemExit(3)", SystemExit, "3"),
        ("def broken(:", SyntaxError, "invalid syntax"),
        ("", AttributeError, "integration"),
        ("integration = 3", TypeError, "is a int, not an Integration"),
        (_manifest("s", 'types={"a.B": "no colon"}'), ValueError, "should have the form"),
        (_manifest("s", 'types=["a.B"]'), AttributeError, "items"),
        (_manifest("lakeq"), UserError, "already provides an integration named 'lakeq'"),
    ],
)
def test_a_strangers_broken_manifest_is_reported_and_breaks_nothing(
    install: Install, source: str, error: type[BaseException], message: str
) -> None:
    module = f"stranger_{error.__name__.lower()}_{len(source)}"
    install(module, source, target=f"{module}:integration")
    fresh = Catalogue()
    assert {manifest.name for manifest in fresh.all()} == {manifest.name for manifest in catalogue.all()}
    # Of two with one name, either may be met first.
    (broken,) = [b for b in fresh.broken if b.name == module or isinstance(b.error, UserError)]
    assert isinstance(broken.error, error)
    assert message in str(broken.error)


def test_what_two_want_is_refused_to_both_and_the_rest_works(install: Install) -> None:
    install(
        "grabber", _manifest("grabber", 'types={"lakeq.Interval": ":X", "x.Y": ":Y"}'), target="grabber:integration"
    )
    fresh = Catalogue()
    for _ in range(2):
        with pytest.raises(UserError, match=r"want types 'lakeq.Interval': .*grabber.*lakeq|lakeq.*grabber") as caught:
            fresh.find("types", "lakeq.Interval")
        assert caught.value.remedy == "Uninstall one of the two packages."
    found = fresh.find("types", "x.Y")
    assert found is not None
    assert (found[0].name, found[1]) == ("grabber", ":Y")
    assert "lakeq.Interval" not in fresh.entries("types")
    assert [error.message for error in fresh.disputes()] == [caught.value.message]


def test_the_doctor_reports_strangers(install: Install, tmp_path: Path) -> None:
    install("crasher", "import no_such_library", target="crasher:integration")
    install("grabber", _manifest("grabber", 'types={"lakeq.Interval": ":X"}'), target="grabber:integration")
    ran = subprocess.run(
        [sys.executable, "-m", "hardpoint.cli.main", "doctor"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "broken  crasher (crasher:integration): ModuleNotFoundError: No module named 'no_such_library'" in ran.stdout
    assert "disputed  Two integrations want types 'lakeq.Interval'" in ran.stdout


def test_a_package_is_found_by_its_own_name(install: Install) -> None:
    install("owner", _manifest("owner", 'exports=(".deep:Thing",)'), target="owner:integration")
    manifest = Catalogue().get("owner")
    assert manifest.package == "owner"
    assert [ref.path for ref in manifest.references()] == ["owner.deep:Thing"]


def test_a_manifest_may_be_added_by_hand() -> None:
    fresh = Catalogue()
    assert fresh.find("connectors", "byhand_task") is None
    mine = Integration(name="byhand", title="T", summary="S.", connectors={"byhand_task": ".c:C"}, package="byhand")
    fresh.add(mine)
    assert fresh.get("byhand") is mine
    assert fresh.find("connectors", "byhand_task") == (mine, ".c:C")
    other = Integration(name="byhand", title="T", summary="S.", package="elsewhere")
    with pytest.raises(UserError, match="Two integrations are named 'byhand': byhand and elsewhere"):
        fresh.add(other)


def test_task_plugins_are_known_by_their_full_names() -> None:
    fresh = Catalogue()
    fresh.add(
        Integration(name="p", title="T", summary="S.", task_plugins={".task:Config": ".task:Task"}, package="byhand")
    )
    assert fresh.find("task_plugins", "byhand.task:Config") is not None


def test_an_unknown_integration() -> None:
    with pytest.raises(UserError, match="There is no integration named 'nonsense'") as caught:
        catalogue.get("nonsense")
    assert "hardpoint doctor" in str(caught.value)


@pytest.mark.parametrize(
    ("requires", "supports", "complaints"),
    [
        (("oldlib",), ("oldlib>=1.0",), []),
        (
            ("oldlib",),
            ("oldlib>=3.1,<5",),
            ["T needs oldlib<5,>=3.1, but oldlib 2.9 is installed.\n  -> pip install 'dist[extra]'"],
        ),
        (
            ("nolib",),
            ("nolib>=1",),
            ["T needs nolib>=1, but it is not installed.\n  -> pip install 'dist[extra]'"],
        ),
        (("nolib",), (), ["T needs nolib, but it is not installed.\n  -> pip install 'dist[extra]'"]),
        (("oldlib.inner",), (), []),
    ],
)
def test_requirements_are_checked_without_importing(
    install: Install, requires: tuple[str, ...], supports: tuple[str, ...], complaints: list[str]
) -> None:
    install("oldlib", "raise SystemExit('imported')", version="2.9")
    manifest = Integration(
        name="n",
        title="T",
        summary="S.",
        extra="extra",
        distribution="dist",
        requires=requires,
        supports=supports,
        exports=(":nothing",),
        package=f"p{len(requires)}{supports}",
    )
    assert [str(problem) for problem in manifest.problems()] == complaints
    if complaints:
        for _ in range(2):
            with pytest.raises(MissingDependencyError):
                manifest.load(":nothing")
    else:
        manifest.check()
    assert find_spec("oldlib") is not None
    assert "oldlib" not in sys.modules


def test_public_paths_leave_inner_modules_out() -> None:
    import lakeq

    assert list(public_path(lakeq.Interval)) == ["lakeq._interval.Interval", "lakeq.Interval"]
    assert list(public_path(int)) == ["builtins.int"]
