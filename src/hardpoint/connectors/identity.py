"""Who a job belongs to: the attempt of a node of an execution. Its names are the same whenever the same attempt asks."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, replace
from functools import cached_property

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint.context import FlyteContextManager

__all__ = ["JobOwner"]

_LONGEST = 63
"""Of a DNS label, a Kubernetes name or label, a BigQuery label: no vendor allows less."""
_ARRAY_INDEX = "FLYTE_K8S_ARRAY_INDEX"
_ARRAY_INDEX_NAME = "BATCH_JOB_ARRAY_INDEX_VAR_NAME"


def _slug(text: str, longest: int) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:longest].strip("-")


@dataclass(frozen=True)
class JobOwner:
    """One attempt of one node.

    Attributes:
        project, domain, execution: The execution; locally ``local``, ``local`` and the run's id.
        node: The node, with its element if it is mapped over.
        attempt: 0 for the first.
        place: Where this attempt's outputs belong, on a cluster. It tells the attempts of an array's element apart, which all bear
            the attempt of the array.
        again: How many jobs of this very attempt have failed before; a local run that is resumed begins with attempt 0 again.
    """

    project: str
    domain: str
    execution: str
    node: str
    attempt: int = 0
    place: str = ""
    again: int = 0

    @classmethod
    def of(cls, metadata: TaskExecutionMetadata | None, output_prefix: str = "") -> JobOwner:
        """The owner that a control plane names; None: the task that runs here.

        Who calls from outside of any execution is somebody new each time.

        Args:
            metadata: What the control plane sent.
            output_prefix: Where it wants the outputs.
        """
        if metadata is None:
            here = FlyteContextManager.current_context().params.execution_id
            if not here.node:
                return cls(here.project, here.domain, uuid.uuid4().hex, "call")
            return cls(here.project, here.domain, here.execution, here.node, here.attempt)
        task = metadata.task_execution_id
        node = task.node_execution_id
        if not node.node_id:
            return cls("", "", uuid.uuid4().hex, "call")
        variables = metadata.environment_variables
        index = variables.get(_ARRAY_INDEX) or variables.get(variables.get(_ARRAY_INDEX_NAME, ""), "")
        return cls(
            project=node.execution_id.project,
            domain=node.execution_id.domain,
            execution=node.execution_id.name,
            node=f"{node.node_id}[{index}]" if index else node.node_id,
            attempt=task.retry_attempt,
            place=output_prefix,
        )

    def next(self) -> JobOwner:
        """The owner of a further job of the same attempt."""
        return replace(self, again=self.again + 1)

    def _digest(self, *more: object) -> str:
        parts = (self.project, self.domain, self.execution, self.node, *more)
        return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]

    @cached_property
    def node_key(self) -> str:
        """The same for all attempts of the node."""
        return self._digest()

    @cached_property
    def idempotency_key(self) -> str:
        """The same whenever this attempt asks; a DNS label of 35 to 63 characters, which begins with a letter."""
        digest = self._digest(self.attempt, self.place, self.again)
        told = _slug(f"{self.execution}-{self.node}-{self.attempt}", _LONGEST - len(digest) - 4)
        return f"hp-{told}-{digest}"

    @property
    def tags(self) -> dict[str, str]:
        """What a job may be labelled with: names and values of lower-case letters, digits and hyphens, at most 63 long."""
        facts = {
            "project": self.project,
            "domain": self.domain,
            "execution": self.execution,
            "node": self.node,
            "attempt": str(self.attempt),
        }
        slugs = {f"hardpoint-{name}": _slug(value, _LONGEST) for name, value in facts.items()}
        return {name: value for name, value in slugs.items() if value} | {"hardpoint-key": self.idempotency_key}
