"""Which connectors a service serves, and why it does not serve the others."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from flyteidl.admin.agent_pb2 import Agent

from hardpoint.connectors.contract import ConnectorBase
from hardpoint.connectors.registry import ConnectorRegistry, FlyteConnectorNotFound, agents_of
from hardpoint.errors import HardpointError, UserError
from hardpoint.integration import catalogue

__all__ = ["Directory", "Problem", "import_modules"]


def import_modules(names: Sequence[str]) -> None:
    """Import modules that register connectors; those of the working directory can be among them.

    Raises:
        UserError: one of them cannot be imported.
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a user's module does, it is said which it was
            raise UserError(
                f"The module {name} cannot be imported: {type(error).__name__}: {error}",
                remedy="Correct it, or leave it out of --modules.",
            ) from error


@dataclass(frozen=True)
class Problem:
    """Something that is not served.

    Attributes:
        what: The task type, or the integration.
        error: Why.
    """

    what: str
    error: Exception

    @property
    def sentence(self) -> str:
        """Why, in a line."""
        if isinstance(self.error, HardpointError):
            return self.error.message
        return f"{type(self.error).__name__}: {self.error}".splitlines()[0]

    @property
    def remedy(self) -> str:
        """What mends it."""
        return getattr(self.error, "remedy", None) or "Upgrade or uninstall the package; the others are served."


@dataclass
class Directory:
    """The connectors of one service.

    Attributes:
        connectors: By task type and version.
        problems: What is not served, though it is installed and wanted.
    """

    connectors: dict[tuple[str, int], ConnectorBase] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _broken: dict[str, Exception] = field(default_factory=dict)

    @classmethod
    def survey(cls, only: Sequence[str] = (), without: Sequence[str] = ()) -> Directory:
        """All that is installed or registered, less what is not wanted.

        Args:
            only: Task types and names of connectors; all if empty.
            without: Task types and names of connectors.

        Raises:
            UserError: one of the names is of no connector.
        """
        made = cls()
        wanted, unwanted = set(only), set(without)
        connectors, errors = ConnectorRegistry.survey()
        named: set[str] = set()
        for connector in connectors:
            names = {connector.task_type_name, str(connector.task_category), connector.name}
            named |= names
            if (not wanted or names & wanted) and not names & unwanted:
                made.connectors[connector.task_type_name, connector.task_type_version] = connector
        for task_type, error in errors.items():
            named.add(task_type)
            if (not wanted or task_type in wanted) and task_type not in unwanted:
                made.problems.append(Problem(task_type, error))
                made._broken[task_type] = error
        if not wanted:
            made.problems += [
                Problem(b.name, b.error if isinstance(b.error, Exception) else Exception(str(b.error)))
                for b in catalogue.broken
            ]
            made.problems += [Problem("integrations", error) for error in catalogue.disputes()]
        for name in sorted((wanted | unwanted) - named):
            raise UserError(
                f"There is no connector {name!r}.",
                remedy=f"There are {', '.join(sorted(named)) or 'none'}.",
            )
        return made

    def get(self, task_type: str, version: int) -> ConnectorBase:
        """The connector of a task type.

        Raises:
            FlyteConnectorNotFound: there is none.
            Exception: why there is one that is not served.
        """
        found = self.connectors.get((task_type, version))
        if found is not None:
            return found
        if task_type in self._broken:
            raise self._broken[task_type]
        raise FlyteConnectorNotFound(
            f"Cannot find connector for task category: {task_type[:200]}_v{version}.",
            remedy="Serve it here, or correct which service the backend asks for it.",
        )

    def broken(self) -> Iterator[str]:
        """The categories that would be served, were it not for a problem."""
        for task_type in self._broken:
            yield f"{task_type}_v0"

    def agents(self) -> list[Agent]:
        """All connectors as messages."""
        return agents_of(self.connectors.values())
