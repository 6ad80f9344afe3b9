"""`TaskPlugins`: which class of tasks serves a type of `task_config`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hardpoint.errors import FlyteValidationException

if TYPE_CHECKING:
    from hardpoint.tasks.python_function_task import PythonFunctionTask

__all__ = ["TaskPlugins", "load_implicit_plugins"]


class TaskPlugins:
    """Finds the class of tasks for a config: what was registered by hand, then what the manifests say."""

    _registered: ClassVar[dict[type, type[PythonFunctionTask[Any]]]] = {}

    @classmethod
    def register_pythontask_plugin(cls, plugin_config_type: type, plugin: type[PythonFunctionTask[Any]]) -> None:
        """Let `plugin` serve configs of this type and of its subclasses. The same pair again changes nothing.

        Raises:
            FlyteValidationException: another class serves exactly this type already (also a TypeError).
        """
        known = cls._registered.get(plugin_config_type)
        if known is not None and known is not plugin:
            raise PluginConflict(
                f"Requesting to register plugin {plugin} - collides with existing plugin {known} "
                f"for type {plugin_config_type}"
            )
        cls._registered[plugin_config_type] = plugin

    @classmethod
    def find_pythontask_plugin(cls, plugin_config_type: type) -> type[PythonFunctionTask[Any]]:
        """The class for configs of a type: that of the nearest ancestor which has one, else `PythonFunctionTask`.

        Raises:
            MissingDependencyError: an integration serves it, but its library is not installed.
        """
        from hardpoint.integration import catalogue, public_path  # only tasks with a config need it

        for ancestor in plugin_config_type.__mro__[:-1]:
            known = cls._registered.get(ancestor)
            if known is not None:
                return known
            for path in public_path(ancestor):
                name = ancestor.__qualname__
                found = catalogue.find("task_plugins", f"{path.removesuffix(f'.{name}')}:{name}")
                if found is not None:
                    integration, target = found
                    plugin: type[PythonFunctionTask[Any]] = integration.load(target)
                    return plugin
        from hardpoint.tasks.python_function_task import PythonFunctionTask

        return PythonFunctionTask


class PluginConflict(FlyteValidationException, TypeError):
    """Two classes of tasks want to serve one type of config."""


def load_implicit_plugins() -> None:
    """Does nothing: it is there for code that calls it.

    Flytekit's plugins register themselves when they are imported, so all have to be imported. An integration says in its manifest
    what it serves, and is imported when something of that kind is first used.
    """
