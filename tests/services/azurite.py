"""Azurite, Microsoft's own emulator of Azure Blob Storage. https://github.com/Azure/Azurite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.services.npm import program
from tests.services.share import Pool, Started, free_port, listens

VERSION = "3.35.0"
# The account that everybody's Azurite has.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Azurite:
    """A running server.

    Attributes:
        port: Its port on 127.0.0.1.
    """

    port: int

    @property
    def connection_string(self) -> str:
        """What Azure's clients find it by."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{self.port}/{_ACCOUNT};"
        )


def _start(folder: Path) -> Started:
    port = free_port()
    command = [str(program("azurite", VERSION, "azurite-blob")), "--inMemoryPersistence", "--skipApiVersionCheck"]
    where = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent"]
    return Started([*command, *where], {"port": port}, ready=lambda: listens(port))


def azurite_server(pool: Pool) -> Azurite:
    return Azurite(port=int(str(pool.get("azurite", _start)["port"])))
