"""Who a job belongs to: the attempt of a node of an execution. Its names are the same whenever the same attempt asks."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata

from hardpoint.context import FlyteContextManager

__all__ = ["JobOwner"]

_LONGEST = 63
"""Of a DNS label, a Kubernetes name or label, a BigQuery label: no vendor allows less."""
_ARRAY_INDEX = "FLYTE_K8S_ARRAY_INDEX"
_ARRAY_INDEX_NAME = "BATCH_JOB_ARRAY_INDEX_VAR_NAME"


_OTHERS = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=4096)
def _slug(text: str, longest: int) -> str:
    return _OTHERS.sub("-", text.lower())[:longest].strip("-")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


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

    @property
    def is_local(self) -> bool:
        """Whether it is of a local run."""
        return (self.project, self.domain) == ("local", "local")

    def next(self) -> JobOwner:
        """The owner of a further job of the same attempt."""
        return replace(self, again=self.again + 1)

    @cached_property
    def node_key(self) -> str:
        """The same for all attempts of the node."""
        return _digest(f"{self.project}\0{self.domain}\0{self.execution}\0{self.node}")

    @cached_property
    def idempotency_key(self) -> str:
        """The same whenever this attempt asks; a DNS label of 35 to 63 characters, which begins with a letter."""
        digest = _digest(
            f"{self.project}\0{self.domain}\0{self.execution}\0{self.node}\0{self.attempt}\0{self.place}\0{self.again}"
        )
        told = _slug(f"{self.execution}-{self.node}-{self.attempt}", _LONGEST - len(digest) - 4)
        return f"hp-{told}-{digest}"

    @property
    def tags(self) -> dict[str, str]:
        """What a job may be labelled with: names and values of lower-case letters, digits and hyphens, at most 63 long."""
        slugs = {
            "hardpoint-project": _slug(self.project, _LONGEST),
            "hardpoint-domain": _slug(self.domain, _LONGEST),
            "hardpoint-execution": _slug(self.execution, _LONGEST),
            "hardpoint-node": _slug(self.node, _LONGEST),
            "hardpoint-attempt": str(self.attempt),
            "hardpoint-key": self.idempotency_key,
        }
        return {name: value for name, value in slugs.items() if value}
