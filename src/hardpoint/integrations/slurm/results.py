"""What a job leaves: a function its outputs or its error in storage, a script its files on the cluster."""

from __future__ import annotations

import posixpath
import shlex
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flyteidl.core.errors_pb2 import ContainerError, ErrorDocument

from hardpoint.connectors.phases import Phase
from hardpoint.connectors.resource import Resource
from hardpoint.context import FlyteContextManager
from hardpoint.errors import StorageNotFoundError, UserError
from hardpoint.idl import LiteralMap, blob, literal_map
from hardpoint.integrations.slurm.cluster import Cluster
from hardpoint.integrations.slurm.meta import OutputKind, SlurmJobMetadata, SlurmScriptMetadata

if TYPE_CHECKING:
    from asyncssh import SFTPClient

__all__ = ["PATIENCE", "Background", "fetch", "of_function", "remove"]

PATIENCE = 10.0
"""Seconds that a question about a job waits for its files."""


def of_function(resource: Resource, meta: SlurmJobMetadata) -> Resource:
    """How a function's job stands that has ended, by what is in storage: a program may end well and have told of an error.

    Args:
        resource: What Slurm says.
        meta: The job.
    """
    files = FlyteContextManager.current_context().file_access
    try:
        with files.open(f"{meta.output_prefix}/error.pb", "rb") as stream:
            error = ErrorDocument.FromString(stream.read()).error
    except StorageNotFoundError:
        wants = resource.phase is Phase.SUCCEEDED and meta.has_outputs
        if not wants or files.exists(f"{meta.output_prefix}/outputs.pb"):
            return resource
        said = f"The job has left no outputs at {meta.output_prefix}.\n{resource.message}"
        return replace(resource, phase=Phase.FAILED, message=said)
    if resource.phase in (Phase.ABORTED, Phase.RETRYABLE_FAILED):
        return resource
    phase = Phase.RETRYABLE_FAILED if error.kind == ContainerError.RECOVERABLE else Phase.FAILED
    return replace(resource, phase=phase, message=f"{error.message.strip()}\n{resource.message}")


def fetch(cluster: Cluster, meta: SlurmScriptMetadata) -> LiteralMap:
    """The outputs of a script, copied from the cluster to storage. What it has put into storage itself stays there.

    Raises:
        UserError: the script has not left one of them.
    """
    files, literals = FlyteContextManager.current_context().file_access, {}
    for name, location in meta.outputs.items():
        kind, uri = meta.kinds.get(name, OutputKind()), location
        if "://" not in location and meta.output_prefix:
            path = location.rstrip("/")
            local = files.get_random_local_path(posixpath.basename(path))
            uri = f"{meta.output_prefix}/{name}/{posixpath.basename(path)}"
            if _get(cluster, path, local):
                files.put_data(local, uri, is_multipart=kind.multipart)
            elif not files.exists(uri):  # else it was copied before, and the job's folder removed
                raise UserError(
                    f"The job has ended well, but its output {name} is not at {path} on {cluster.login.config.host}.",
                    remedy=f"Let the script write to {{outputs.{name}}}, on a file system that the login host has as well.",
                )
        literals[name] = blob(uri, kind.format, multipart=kind.multipart)
    return literal_map(literals)


def _get(cluster: Cluster, path: str, local: str) -> bool:
    async def get(client: SFTPClient) -> bool:
        if not await client.exists(path):
            return False
        await client.get(path, local, recurse=True)
        return True

    return cluster.hosts.call(cluster.login, lambda host: host.move(get))


def remove(cluster: Cluster, meta: SlurmScriptMetadata) -> None:
    """Remove the job's own folder on the cluster, if it has one."""
    if meta.folder:
        cluster.hosts.run(cluster.login, f"rm -rf -- {shlex.quote(meta.folder)}")


class Background:
    """Work that may take longer than a caller waits: begun once, and asked about again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: dict[str, Future[Any]] = {}

    def result(self, name: str, work: Callable[[], Any], patience: float) -> Any:
        """What the work of that name has given; None while it goes on.

        Args:
            name: The work.
            work: Begun unless it is under way.
            patience: Seconds to wait for it.

        Raises:
            Exception: what it raised; the next call begins it anew.
        """
        with self._lock:
            future = self._work.get(name)
            if future is None:
                future = self._work[name] = Future()
                context = copy_context()
                threading.Thread(
                    target=context.run, args=(_settle, future, work), name="hardpoint-slurm-files", daemon=True
                ).start()
        if not wait([future], patience).done:
            return None
        with self._lock:
            self._work.pop(name, None)
        return future.result()


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # it goes to whoever asks
        future.set_exception(error)
