"""Slurm: Python functions and batch scripts on a cluster, over SSH."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.slurm.connector import SlurmFunctionConnector as SlurmFunctionConnector
    from hardpoint.integrations.slurm.connector import SlurmScriptConnector as SlurmScriptConnector
    from hardpoint.integrations.slurm.login import SSHConfig as SSHConfig
    from hardpoint.integrations.slurm.task import OutputLocation as OutputLocation
    from hardpoint.integrations.slurm.task import SlurmConfig as SlurmConfig
    from hardpoint.integrations.slurm.task import SlurmFunctionConfig as SlurmFunctionConfig
    from hardpoint.integrations.slurm.task import SlurmFunctionTask as SlurmFunctionTask
    from hardpoint.integrations.slurm.task import SlurmScriptConfig as SlurmScriptConfig
    from hardpoint.integrations.slurm.task import SlurmShellTask as SlurmShellTask
    from hardpoint.integrations.slurm.task import SlurmTask as SlurmTask

integration = Integration(
    name="slurm",
    title="Slurm",
    summary="Run Python functions and batch scripts on a Slurm cluster, over SSH.",
    extra="slurm",
    requires=("asyncssh",),
    supports=("asyncssh>=2.20",),
    task_plugins={".task:SlurmFunctionConfig": ".task:SlurmFunctionTask"},
    connectors={"slurm_fn": ".connector:SlurmFunctionConnector", "slurm": ".connector:SlurmScriptConnector"},
    exports=(
        ".connector:SlurmFunctionConnector",
        ".connector:SlurmScriptConnector",
        ".login:SSHConfig",
        ".task:OutputLocation",
        ".task:SlurmConfig",
        ".task:SlurmFunctionConfig",
        ".task:SlurmFunctionTask",
        ".task:SlurmScriptConfig",
        ".task:SlurmShellTask",
        ".task:SlurmTask",
    ),
)

__getattr__, __dir__, __all__ = integration.lazy()
