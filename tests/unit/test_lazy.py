"""Names that are imported when they are first asked for."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

import hardpoint
from hardpoint._lazy import Ref, attach


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], types.ModuleType]]:
    """Makes a package ``lazy_example`` with modules ``a`` and ``broken``, and imports it."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "lazy_example"
    folder.mkdir()
    (folder / "a.py").write_text("class Outer:\n    class Inner: ...\nCOUNT = []\n")
    (folder / "broken.py").write_text("import no_such_library\n")

    def make(init: str) -> types.ModuleType:
        (folder / "__init__.py").write_text(f"from hardpoint._lazy import attach\n{init}")
        import lazy_example  # type: ignore[import-not-found]

        module: types.ModuleType = lazy_example
        return module

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] == "lazy_example"]:
        del sys.modules[name]


NAMES = '__getattr__, __dir__, __all__ = attach(__name__, {"Outer": ".a:Outer", "b": ".broken:x", "a": ".a:"})\n'


def test_a_name_is_imported_when_it_is_asked_for(package: Callable[[str], types.ModuleType]) -> None:
    example = package(NAMES)
    assert "lazy_example.a" not in sys.modules
    assert example.Outer is sys.modules["lazy_example.a"].Outer
    assert vars(example)["Outer"] is example.Outer  # the second look-up is an ordinary one


def test_a_module_may_be_exported(package: Callable[[str], types.ModuleType]) -> None:
    assert package(NAMES).a is sys.modules["lazy_example.a"]


def test_names_are_known_before_they_are_imported(package: Callable[[str], types.ModuleType]) -> None:
    example = package(NAMES)
    assert example.__all__ == ["Outer", "a", "b"]
    assert {"Outer", "a", "b", "attach"} <= set(dir(example))
    assert "lazy_example.a" not in sys.modules


def test_an_unknown_name_is_an_attribute_error(package: Callable[[str], types.ModuleType]) -> None:
    example = package(NAMES)
    with pytest.raises(AttributeError, match="module 'lazy_example' has no attribute 'nonsense'"):
        _ = example.nonsense


def test_what_hinders_the_import_is_not_hidden(package: Callable[[str], types.ModuleType]) -> None:
    example = package(NAMES)
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        _ = example.b


def test_requirements_are_checked_before_the_import(package: Callable[[str], types.ModuleType]) -> None:
    example = package("")

    def refuse() -> None:
        raise LookupError("refused")

    getattr_, _, _ = attach("lazy_example", {"Outer": ".a:Outer"}, before_load=refuse)
    with pytest.raises(LookupError, match="refused"):
        getattr_("Outer")
    assert "lazy_example.a" not in sys.modules
    assert "Outer" not in vars(example)


def test_a_ref_is_loaded_once(package: Callable[[str], types.ModuleType]) -> None:
    package("")
    ref = Ref(".a:Outer.Inner", package="lazy_example")
    assert (ref.path, ref.module, ref.name) == ("lazy_example.a:Outer.Inner", "lazy_example.a", "Outer.Inner")
    inner = ref.load()
    del sys.modules["lazy_example.a"]
    assert ref.load() is inner


def test_refs_compare_by_path() -> None:
    assert Ref(".a:X", package="p") == Ref("p.a:X") != Ref("p.a:Y")
    assert len({Ref("p:a"), Ref("p:a")}) == 1
    assert repr(Ref("p:a")) == "Ref('p:a')"


@pytest.mark.parametrize(
    ("path", "message"),
    [("p.a.X", "should have the form 'package.module:attribute'"), (".a:X", "no package was given")],
)
def test_a_malformed_ref_is_refused(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ref(path)


# -- the pages of this package that hand names on ----------------------------------------------------------------------

SOURCE = Path(hardpoint.__file__).parent
PAGES = sorted(
    ".".join(("hardpoint", *path.relative_to(SOURCE).parent.parts))
    for path in SOURCE.rglob("__init__.py")
    if "attach(" in path.read_text() and "integrations" not in path.parts
)


@pytest.mark.parametrize("page", PAGES)
def test_type_checkers_see_the_names_that_a_page_hands_on(page: str) -> None:
    module = import_module(page)
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imported = [
        alias.asname or alias.name
        for node in (*tree.body, *(line for block in blocks for line in block.body))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert set(module.__all__) <= set(imported)


@pytest.mark.parametrize("page", PAGES)
def test_every_name_that_a_page_hands_on_exists(page: str) -> None:
    module = import_module(page)
    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
