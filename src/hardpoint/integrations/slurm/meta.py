"""What is kept of a job, and what the job itself is labelled with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hardpoint.connectors.resource import ResourceMeta
from hardpoint.integrations.slurm.login import SSHConfig

__all__ = ["OutputKind", "SlurmJobMetadata", "SlurmScriptMetadata", "comment_of", "facts_in"]


@dataclass
class SlurmJobMetadata(ResourceMeta):
    """A function's job.

    Attributes:
        job_id: Slurm's id of the job.
        ssh_config: How its login host is reached.
        output_prefix: Where the job writes its outputs, or its error.
        has_outputs: Whether it has outputs.
    """

    job_id: str
    ssh_config: dict[str, Any]
    output_prefix: str = ""
    has_outputs: bool = False

    @property
    def endpoint(self) -> str:
        """The cluster's login host, and the user there."""
        return SSHConfig.from_dict(self.ssh_config).endpoint


@dataclass
class OutputKind:
    """What an output of a script is.

    Attributes:
        format: The format of its type.
        multipart: Whether it is a folder.
    """

    format: str = ""
    multipart: bool = False


@dataclass
class SlurmScriptMetadata(ResourceMeta):
    """A script's job.

    Attributes:
        job_id: Slurm's id of the job.
        ssh_config: How its login host is reached.
        outputs: Where the script leaves its outputs, by name.
        kinds: What they are.
        output_prefix: Where in storage they are copied to.
        folder: The job's own folder on the cluster, which is removed at its end.
    """

    job_id: str
    ssh_config: dict[str, Any]
    outputs: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, OutputKind] = field(default_factory=dict)
    output_prefix: str = ""
    folder: str = ""

    @property
    def endpoint(self) -> str:
        """The cluster's login host, and the user there."""
        return SSHConfig.from_dict(self.ssh_config).endpoint


def comment_of(tags: Mapping[str, str], meta: SlurmJobMetadata | SlurmScriptMetadata) -> str:
    """What a job is labelled with: whose it is, and what one has to know who finds it by its name alone."""
    facts = {name: value for name, value in asdict(meta).items() if value and name not in ("job_id", "ssh_config")}
    return json.dumps({**tags, "meta": facts} if facts else dict(tags), separators=(",", ":"))


def facts_in(comment: str) -> dict[str, Any]:
    """The fields of the metadata in such a label; none in one that somebody else wrote."""
    try:
        found = json.loads(comment)
    except ValueError:
        return {}
    facts = found.get("meta") if isinstance(found, dict) else None
    return facts if isinstance(facts, dict) else {}
