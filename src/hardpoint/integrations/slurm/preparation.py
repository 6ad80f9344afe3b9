"""A script's job before it is submitted: the values in its script, the files that it is given, and where it leaves its outputs."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hardpoint.context import FlyteContextManager
from hardpoint.errors import UserError
from hardpoint.idl import Literal, LiteralMap, TaskTemplate
from hardpoint.integrations.slurm import scripts
from hardpoint.integrations.slurm.cluster import Cluster
from hardpoint.integrations.slurm.meta import OutputKind, SlurmScriptMetadata
from hardpoint.integrations.slurm.values import is_number, text_of

if TYPE_CHECKING:
    from asyncssh import SFTPClient

__all__ = ["Preparation"]


class Preparation:
    """What is submitted.

    Args:
        cluster: Where.
        custom: The task's own part of the template.
        template: The template.
        inputs: The inputs.
        key: The job's idempotency key.
        output_prefix: Where its outputs are to be put in storage.

    Attributes:
        path: Of a script that is on the cluster.
        script: Of one that the task brings: its text, with the values.
        meta: The job's metadata, without its id.

    Raises:
        UserError: there is no script, or it names what there is not.
    """

    def __init__(
        self,
        cluster: Cluster,
        custom: Mapping[str, Any],
        template: TaskTemplate,
        inputs: LiteralMap,
        key: str,
        output_prefix: str,
    ) -> None:
        self._cluster, self._custom, self._key = cluster, custom, key
        self._files: dict[str, str] = {}
        self.meta = SlurmScriptMetadata("", cluster.login.config.to_dict())
        self.path, self.script = str(custom.get("batch_script_path") or ""), None
        text = custom.get("script")
        if text is None:
            if not self.path:
                raise UserError("The task has neither a script nor the path of one on the cluster.")
            return
        scripts.check_script(text)
        locations = {entry["var"]: entry["location"] for entry in custom.get("output_locs") or ()}
        wanted = scripts.names_in(text).union(*map(scripts.names_in, locations.values()))
        values = {
            f"inputs.{name}": text_of(literal, self._place)
            for name, literal in sorted(inputs.literals.items())
            if f"inputs.{name}" in wanted
        }
        if "ctx.working_directory" in wanted:
            values["ctx.working_directory"] = self._folder
        values["ctx.output_prefix"] = output_prefix
        for name, location in locations.items():
            place = scripts.interpolate(location, values, f"The location of the output {name}")
            self.meta.outputs[name] = self._absolute(place)
            blob = template.interface.outputs.variables[name].type.blob
            self.meta.kinds[name] = OutputKind(blob.format, blob.dimensionality == blob.MULTIPART)
        if locations:
            self.meta.output_prefix = output_prefix
        values.update((f"outputs.{name}", place) for name, place in self.meta.outputs.items())
        numbers = frozenset(f"inputs.{name}" for name, literal in inputs.literals.items() if is_number(literal))
        self.script = scripts.shell_script(text, values, numbers)

    @cached_property
    def _folder(self) -> str:
        """The job's own folder on the cluster."""
        parent = str(self._custom.get("work_dir") or ".hardpoint")
        if not posixpath.isabs(parent):
            parent = posixpath.join(self._cluster.home(), parent)
        self.meta.folder = posixpath.join(parent, self._key)
        return self.meta.folder

    def _place(self, literal: Literal) -> str:
        """Where on the cluster a file or a folder will be."""
        uri = literal.scalar.blob.uri
        path = posixpath.join(self._folder, "inputs", str(len(self._files)), posixpath.basename(uri.rstrip("/")))
        self._files[path] = uri
        return path

    def _absolute(self, location: str) -> str:
        """A relative location, which is relative to where the job runs."""
        if "://" in location or posixpath.isabs(location):
            return location
        folder = (self._custom.get("sbatch_config") or {}).get("chdir")
        return posixpath.join(folder or self._cluster.home(), location)

    def stage(self) -> None:
        """Make the job's folder and copy its files there.

        Raises:
            StorageNotFoundError: there is nothing at the URI of an input.
            SlurmError: the cluster does not take them.
        """
        files = FlyteContextManager.current_context().file_access
        fetched: dict[str, str] = {}
        for path, uri in self._files.items():
            fetched[path] = uri
            if files.is_remote(uri):
                fetched[path] = files.get_random_local_path(uri)
                files.get_data(uri, fetched[path], is_multipart=bool(files.filesystem(uri).isdir(uri)))

        async def put(client: SFTPClient) -> None:
            await client.makedirs(self.meta.folder, exist_ok=True)
            for path, local in fetched.items():
                await client.makedirs(posixpath.dirname(path), exist_ok=True)
                await client.put(local, path, recurse=True)

        self._cluster.hosts.call(self._cluster.login, lambda host: host.move(put))
