"""Names that users know from `flytekit.core.workflow`."""

from hardpoint.workflows.imperative import ImperativeWorkflow
from hardpoint.workflows.workflow import WorkflowFailurePolicy, workflow

__all__ = ["ImperativeWorkflow", "WorkflowFailurePolicy", "workflow"]
