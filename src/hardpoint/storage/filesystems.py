"""The fsspec file system of a URI, and the loop that all asynchronous ones live on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from hardpoint.errors import MissingDependencyError, UserError
from hardpoint.integration import catalogue
from hardpoint.settings import StorageSettings
from hardpoint.storage.options import canonical, storage_options
from hardpoint.storage.uris import protocol

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

# asyncio takes longer to import than this package does; local files do without.

__all__ = ["Runtime", "Work", "make_filesystem"]

T = TypeVar("T")

# What installs a protocol's client: (title, requirement, extra).
_CLIENTS = {
    "s3": ("Amazon S3 storage", "s3fs", "s3"),
    "gs": ("Google Cloud storage", "gcsfs", "gcs"),
    "abfs": ("Azure Blob storage", "adlfs", "azure"),
    "http": ("Reading from the web", "aiohttp", None),
}


def make_filesystem(uri: str, anonymous: bool, configuration: StorageSettings) -> Any:
    """A new fsspec file system for a URI.

    Raises:
        MissingDependencyError: the client of that store is not installed.
        UserError: nobody knows the protocol.
    """
    scheme = protocol(uri)
    owner = catalogue.find("storage", scheme) if scheme not in ("file", "memory") else None
    try:
        options = storage_options(scheme, anonymous, configuration)
        if owner is not None:
            integration, path = owner
            return integration.load(path)(**options)
        cls = _class_of(scheme, options)
        # What stands in the URI counts more, as the account in abfs://container@account.dfs.core.windows.net.
        filesystem = cls(**{**options, **cls._get_kwargs_from_urls(uri)})
    except MissingDependencyError:
        raise
    except ImportError as error:
        title, wants, extra = _CLIENTS.get(canonical(scheme), (f"{scheme}:// storage", str(error.name or scheme), None))
        raise MissingDependencyError(title, wants, extra) from error
    except ValueError as error:
        if "rotocol" not in str(error):
            raise
        raise UserError(
            f"No storage is known for {scheme}://.",
            remedy="Known are file, memory, s3, gs, abfs, http(s), what fsspec knows, and what integrations add.",
        ) from error
    if canonical(scheme) == "s3":
        filesystem.retries = max(configuration.retries, 1)
    return filesystem


def _class_of(scheme: str, options: dict[str, Any]) -> Any:
    if canonical(scheme) == "gs" and "endpoint_url" in options:
        # gcsfs' other class asks Google's control plane for the kind of each bucket, by gRPC, which an emulator of the
        # JSON API answers with a minute of silence.
        from gcsfs.core import GCSFileSystem

        return GCSFileSystem
    import fsspec

    return fsspec.get_filesystem_class(scheme)


Work = Callable[[], T] | Coroutine[Any, Any, T]
"""One operation, ready to run: a function that blocks on local disks, or a coroutine for the storage loop."""


class Runtime:
    """Runs `Work`, for callers with a loop of their own and for those with none.

    Args:
        concurrency: How many files are moved at once, over all operations.
    """

    def __init__(self, concurrency: int) -> None:
        self.concurrency = max(concurrency, 1)
        self._state: tuple[int, ThreadPoolExecutor, asyncio.Semaphore] | None = None

    def _fresh(self) -> tuple[int, ThreadPoolExecutor, asyncio.Semaphore]:
        if self._state is None or self._state[0] != os.getpid():  # threads do not survive a fork
            import asyncio
            from concurrent.futures import ThreadPoolExecutor

            pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="hardpoint-storage")
            self._state = (os.getpid(), pool, asyncio.Semaphore(self.concurrency))
        return self._state

    @property
    def slots(self) -> asyncio.Semaphore:
        """One slot for each file that may move at this moment. For use on the storage loop only."""
        return self._fresh()[2]

    async def in_thread(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a blocking function in this runtime's threads."""
        import asyncio

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._fresh()[1], partial(function, *args, **kwargs))

    async def call(self, filesystem: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of a file system: as a coroutine if it has that, else in a thread."""
        if filesystem.async_impl:
            return await getattr(filesystem, f"_{name}")(*args, **kwargs)
        return await self.in_thread(getattr(filesystem, name), *args, **kwargs)

    def finish(self, work: Work[T]) -> T:
        """Run to the end and return the result. Blocks."""
        if callable(work):
            return work()
        import asyncio

        from fsspec.asyn import get_loop

        ended = threading.Event()

        async def run() -> T:
            try:
                return await work
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(run(), get_loop())
        try:
            return future.result()
        except BaseException:
            if future.cancel():  # Ctrl-C comes to this thread only; the loop needs a moment to clear up
                ended.wait(5)
            raise

    async def finish_async(self, work: Work[T]) -> T:
        """Run to the end without blocking the caller's loop."""
        if callable(work):
            return await self.in_thread(work)
        import asyncio

        from fsspec.asyn import get_loop

        # Clients are bound to the loop that made them, which is fsspec's and never the caller's.
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, get_loop()))
