"""`ConnectorRegistry`: which connector serves a task type. Manifests name them; others are registered by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, ClassVar

from flyteidl.admin.agent_pb2 import Agent
from flyteidl.admin.agent_pb2 import TaskCategory as CategoryMessage

from hardpoint.connectors.contract import ConnectorBase, TaskCategory
from hardpoint.errors import FlyteValidationException, UserError
from hardpoint.integration import catalogue

__all__ = ["ConnectorRegistry", "DuplicateConnectorError", "FlyteConnectorNotFound", "agent_named", "agents_of"]


class FlyteConnectorNotFound(UserError):
    """No connector serves a task type, or has a name."""

    code = "SYSTEM:ConnectorNotFound"


class DuplicateConnectorError(FlyteValidationException, ValueError):
    """Two connectors want one task type."""


class ConnectorRegistry:
    """All connectors of this process. A manifest's connector is imported when its task type is first asked for."""

    _connectors: ClassVar[dict[TaskCategory, ConnectorBase]] = {}
    _lock = threading.RLock()

    @classmethod
    def register(cls, connector: ConnectorBase, override: bool = False) -> None:
        """Add a connector.

        Raises:
            DuplicateConnectorError: its task type has one already, and `override` is not given.
        """
        with cls._lock:
            known = cls._connectors.get(connector.task_category)
            if known is not None and not override:
                raise DuplicateConnectorError(
                    f"Duplicate connector for task type: {connector.task_category} "
                    f"({type(known).__qualname__} and {type(connector).__qualname__})",
                    remedy="Pass override=True to replace the first.",
                )
            cls._connectors[connector.task_category] = connector

    @classmethod
    def unregister(cls, category: TaskCategory) -> None:
        """Take a connector out again."""
        with cls._lock:
            cls._connectors.pop(category, None)

    @classmethod
    def get_connector(cls, task_type_name: str, task_type_version: int = 0) -> ConnectorBase:
        """The connector of a task type.

        Raises:
            FlyteConnectorNotFound: there is none.
            MissingDependencyError: there is one, but its library is not installed.
        """
        category = TaskCategory(task_type_name, task_type_version)
        with cls._lock:
            found = cls._connectors.get(category)
            if found is None:
                found = cls._load(category)
        if found is None:
            raise FlyteConnectorNotFound(
                f"Cannot find connector for task category: {category}.",
                remedy="hardpoint doctor lists the integrations that are installed.",
            )
        return found

    @classmethod
    def _load(cls, category: TaskCategory) -> ConnectorBase | None:
        owned = catalogue.find("connectors", category.name)
        if owned is None:
            return None
        integration, target = owned
        made: Any = integration.load(target)
        connector: ConnectorBase = made() if isinstance(made, type) else made
        if connector.task_category != category:
            return None
        cls._connectors[category] = connector
        return connector

    @classmethod
    def survey(cls) -> tuple[list[ConnectorBase], dict[str, Exception]]:
        """All connectors that can be used; and by task type, why the others cannot."""
        problems: dict[str, Exception] = {}
        with cls._lock:
            for task_type in catalogue.entries("connectors"):
                if TaskCategory(task_type) in cls._connectors:
                    continue
                try:
                    cls._load(TaskCategory(task_type))
                except Exception as error:  # whatever a stranger's package does, the others go on working
                    problems[task_type] = error
            return [cls._connectors[category] for category in sorted(cls._connectors, key=str)], problems

    @classmethod
    def connectors(cls) -> list[ConnectorBase]:
        """All connectors that can be used: those of manifests, and those that were registered."""
        return cls.survey()[0]

    @classmethod
    def list_connectors(cls) -> list[Agent]:
        """All connectors as messages."""
        return agents_of(cls.connectors())

    @classmethod
    def get_connector_metadata(cls, name: str) -> Agent:
        """The message of the connector of that name.

        Raises:
            FlyteConnectorNotFound: there is none.
        """
        return agent_named(name, cls.list_connectors())

    get_agent = get_connector


def agents_of(connectors: Iterable[ConnectorBase]) -> list[Agent]:
    """Connectors as messages: one for each name, with the task types that it serves."""
    agents: dict[tuple[str, bool], Agent] = {}
    for connector in connectors:
        # Two connectors of one name of which one is synchronous are two for the control plane.
        agent = agents.setdefault(
            (connector.name, connector.is_sync), Agent(name=connector.name, is_sync=connector.is_sync)
        )
        agent.supported_task_types.append(connector.task_type_name)
        agent.supported_task_categories.append(
            CategoryMessage(name=connector.task_type_name, version=connector.task_type_version)
        )
    return list(agents.values())


def agent_named(name: str, agents: Iterable[Agent]) -> Agent:
    """The message of the connector of that name.

    Raises:
        FlyteConnectorNotFound: there is none.
    """
    for agent in agents:
        if agent.name == name:
            return agent
    raise FlyteConnectorNotFound(f"Cannot find connector for name: {name}.")
