"""The manifest of an integration, and how manifests are found.

An integration says in one object what it offers; nothing else of it is imported until it is needed. Built-in
integrations and third parties' packages are found in the same way: by entry points of the group
``hardpoint.integrations``, each of which names a manifest object.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hardpoint._lazy import Ref, attach
from hardpoint.errors import MissingDependencyError, UserError

__all__ = ["ENTRY_POINT_GROUP", "Broken", "Catalogue", "Integration", "catalogue", "public_path"]

ENTRY_POINT_GROUP = "hardpoint.integrations"

_KINDS = (
    "types",
    "datasets",
    "renderers",
    "task_plugins",
    "connectors",
    "image_builders",
    "storage",
    "secret_providers",
    "cli",
)


@dataclass(frozen=True)
class Integration:
    """What one integration offers. All references are strings, ``".module:Name"`` relative to the manifest's package.

    Args:
        name: Name of the folder and of the entry point, for example ``"slurm"``.
        title: Name for people.
        summary: One sentence: what the user gets.
        extra: The extra that installs its libraries, as in ``pip install 'hardpoint[slurm]'``.
        distribution: The distribution that owns the extra; a third party names its own.
        requires: Import names that must be there before the code is loaded.
        supports: Version ranges of those libraries, as requirement strings; checked before the code is loaded.
        types: Public path of a Python type -> `TypeTransformer`.
        datasets: Public path of a dataframe type -> its `StructuredDatasetEncoder`s and `StructuredDatasetDecoder`s; with
            a scheme before it (``"bq://pandas.DataFrame"``) those for URIs of this scheme alone.
        renderers: Public path of a Python type -> `Renderable`.
        task_plugins: Task config class -> task class.
        connectors: Task type -> connector class.
        image_builders: Builder name -> `ImageSpecBuilder`.
        storage: URI scheme -> filesystem factory.
        secret_providers: Provider name -> provider.
        cli: Name of a sub-command -> click command.
        exports: What users import from the package.
        package: The manifest's package; found by itself.
    """

    name: str
    title: str
    summary: str
    extra: str | None = None
    distribution: str = "hardpoint"
    requires: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    renderers: Mapping[str, str] = field(default_factory=dict)
    task_plugins: Mapping[str, str] = field(default_factory=dict)
    connectors: Mapping[str, str] = field(default_factory=dict)
    image_builders: Mapping[str, str] = field(default_factory=dict)
    storage: Mapping[str, str] = field(default_factory=dict)
    secret_providers: Mapping[str, str] = field(default_factory=dict)
    cli: Mapping[str, str] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    package: str = ""

    def __post_init__(self) -> None:
        if not self.package:
            caller = sys._getframe(2).f_globals.get("__name__", "")  # the module that calls Integration(...)
            object.__setattr__(self, "package", caller)

    def ref(self, path: str) -> Ref:
        """Resolve one of the manifest's strings."""
        return Ref(path, package=self.package)

    def references(self) -> Iterator[Ref]:
        """Everything that the manifest names; nothing is imported.

        Raises:
            ValueError: one of the strings does not have the form ``module:Name``.
        """
        for kind in _KINDS:
            for key, value in getattr(self, kind).items():
                yield from map(self.ref, (value,) if isinstance(value, str) else value)
                if kind == "task_plugins":
                    yield self.ref(key)
        yield from map(self.ref, self.exports)

    def load(self, path: str) -> Any:
        """Check the requirements, then import what one of the manifest's strings names.

        Raises:
            MissingDependencyError: a required library is absent or outside the supported range.
        """
        self.check()
        return self.ref(path).load()

    @cached_property
    def exported(self) -> dict[str, str]:
        """Exported name -> reference."""
        return {path.rpartition(":")[2]: path for path in self.exports}

    def lazy(self) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
        """``__getattr__``, ``__dir__`` and ``__all__`` of the manifest's module; exports are imported when used."""
        return attach(self.package, self.exported, before_load=self.check)

    def check(self) -> None:
        """Raise unless all required libraries are there, in supported versions. Cheap after the first success."""
        if self in _CHECKED:
            return
        for problem in self.problems():
            raise problem
        _CHECKED.add(self)

    def problems(self) -> Iterator[MissingDependencyError]:
        """One error for each library that is missing or of an unsupported version."""
        # Importing these takes longer than most manifests do altogether; only a checked integration pays.
        from importlib.metadata import PackageNotFoundError, version
        from importlib.util import find_spec

        from packaging.requirements import Requirement

        wanted = {Requirement(s).name.lower().replace("_", "-"): Requirement(s) for s in self.supports}
        for name, requirement in wanted.items():
            try:
                found = version(name)
            except PackageNotFoundError:
                yield MissingDependencyError(self.title, str(requirement), self.extra, distribution=self.distribution)
            else:
                if not requirement.specifier.contains(found, prereleases=True):
                    yield MissingDependencyError(
                        self.title,
                        str(requirement),
                        self.extra,
                        found=f"{name} {found}",
                        distribution=self.distribution,
                    )
        for module in self.requires:
            top = module.partition(".")[0]
            if top not in sys.modules and find_spec(top) is None and top.replace("_", "-") not in wanted:
                yield MissingDependencyError(self.title, module, self.extra, distribution=self.distribution)

    def __hash__(self) -> int:
        return hash((self.package, self.name))


_CHECKED: set[Integration] = set()


@dataclass(frozen=True)
class Broken:
    """An entry point whose manifest could not be loaded; it is reported and breaks nothing else."""

    name: str
    target: str
    error: BaseException


class Catalogue:
    """All manifests of this environment, with the look-ups that the core needs. Read from entry points on first use."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._integrations: dict[str, Integration] | None = None
        self.broken: list[Broken] = []
        self._index: dict[str, dict[str, tuple[Integration, Any]]] = {}
        self._contested: dict[tuple[str, str], tuple[Integration, Integration]] = {}

    def all(self) -> list[Integration]:
        """Every manifest, ordered by name."""
        return list(self._read().values())

    def get(self, name: str) -> Integration:
        """The manifest of that name.

        Raises:
            UserError: no integration has that name.
        """
        try:
            return self._read()[name]
        except KeyError:
            raise UserError(
                f"There is no integration named {name!r}.", remedy="hardpoint doctor lists those that are installed."
            ) from None

    def add(self, integration: Integration) -> None:
        """Add a manifest by hand, for tests and notebooks."""
        with self._lock:
            known = self._read()
            other = known.get(integration.name)
            if other is not None and other.package != integration.package:
                raise UserError(
                    f"Two integrations are named {integration.name!r}: {other.package} and {integration.package}."
                )
            known[integration.name] = integration
            self._index.clear()
            self._contested.clear()

    def find(self, kind: str, key: str) -> tuple[Integration, Any] | None:
        """Who owns `key` in the manifests' mapping `kind` (``"types"``, ``"datasets"``, ...), and what it says there.

        Raises:
            UserError: two integrations want the key; all other keys go on working.
        """
        index = self._index.get(kind)
        if index is None:
            index = self._build(kind)
        found = index.get(key)
        if found is None and (kind, key) in self._contested:
            raise self._dispute(kind, key)
        return found

    def entries(self, kind: str) -> Mapping[str, tuple[Integration, Any]]:
        """Every key of the mapping `kind`, over all manifests, but for those that two integrations want."""
        index = self._index.get(kind)
        return self._build(kind) if index is None else index

    def disputes(self) -> list[UserError]:
        """One error for each key that two integrations want."""
        for kind in _KINDS:
            self.entries(kind)
        return [self._dispute(kind, key) for kind, key in self._contested]

    def _dispute(self, kind: str, key: str) -> UserError:
        one, other = self._contested[kind, key]
        return UserError(
            f"Two integrations want {kind} {key!r}: {one.name} ({one.distribution}) and {other.name} "
            f"({other.distribution}).",
            remedy="Uninstall one of the two packages.",
        )

    def _build(self, kind: str) -> dict[str, tuple[Integration, Any]]:
        with self._lock:
            index: dict[str, tuple[Integration, Any]] = {}
            for integration in self.all():
                for key, value in getattr(integration, kind).items():
                    if kind == "task_plugins":
                        key = integration.ref(key).path
                    if key in index:
                        self._contested[kind, key] = (index[key][0], integration)
                    index[key] = (integration, value)
            for contested in self._contested:
                if contested[0] == kind:
                    del index[contested[1]]
            self._index[kind] = index
            return index

    def _read(self) -> dict[str, Integration]:
        if self._integrations is None:
            with self._lock:
                if self._integrations is None:
                    self._integrations = dict(sorted(self._from_entry_points()))
        return self._integrations

    def _from_entry_points(self) -> Iterable[tuple[str, Integration]]:
        from importlib.metadata import entry_points

        seen: dict[str, Integration] = {}
        for point in entry_points(group=ENTRY_POINT_GROUP):
            try:
                manifest = point.load()
                if not isinstance(manifest, Integration):
                    raise TypeError(f"{point.value} is a {type(manifest).__name__}, not an Integration")
                list(manifest.references())  # a malformed string is found here, not by whoever looks something up
                other = seen.get(manifest.name)
                if other is not None and other.package != manifest.package:
                    raise UserError(f"{other.package} already provides an integration named {manifest.name!r}")
            except (Exception, SystemExit) as error:  # whatever a stranger's package does, the others go on working
                self.broken.append(Broken(point.name, point.value, error))
            else:
                seen[manifest.name] = manifest
        return seen.items()


catalogue = Catalogue()
"""The one catalogue of this process."""


def public_path(cls: type) -> Iterator[str]:
    """The paths by which a manifest may name a class: ``module.Name``, then with inner modules left out.

    ``polars.dataframe.frame.DataFrame`` is also ``polars.dataframe.DataFrame`` and ``polars.DataFrame``.
    """
    module, name = cls.__module__, cls.__qualname__
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        yield f"{'.'.join(parts[:end])}.{name}"
