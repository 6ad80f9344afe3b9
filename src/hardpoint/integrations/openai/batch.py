"""Creates batches, follows them and cancels them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Any

from hardpoint import idl
from hardpoint.connectors import (
    AsyncConnectorBase,
    Capabilities,
    JobGoneError,
    Phase,
    Resource,
    ResourceMeta,
    log_link,
)
from hardpoint.errors import FlyteValidationException, HardpointError, UserError
from hardpoint.idl import LiteralMap, TaskTemplate
from hardpoint.integrations.openai.account import Account
from hardpoint.integrations.openai.problems import NoSuchObjectError, ask
from hardpoint.integrations.openai.states import PHASES, standing

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import TaskExecutionMetadata
    from openai import OpenAI
    from openai.types import Batch

__all__ = ["BatchEndpointConnector", "BatchEndpointMetadata"]

_KEY = "hardpoint-key"
"""The name of the pair of a batch's metadata by which it is found again."""
_PAIRS = 16
"""https://platform.openai.com/docs/api-reference/batch/create#batch-create-metadata"""
_PAGE = 100
_SEARCHED = 30 * 86400
"""Seconds back from now in which a batch is looked for. OpenAI keeps its files as long."""
_LIVES = 3 * 86400
"""Seconds after which every batch has ended; its window is a day."""


@dataclass
class BatchEndpointMetadata(ResourceMeta):
    """What is needed to find a batch again.

    Attributes:
        openai_org: Its organization; None: that of the environment, else the key's own.
        batch_id: Its id.
        endpoint: The URL of the API, if the task named it.
        project: Its project; likewise.
        accept_partial: Whether it has succeeded when it has expired with some answers.
    """

    openai_org: str | None
    batch_id: str
    endpoint: str = ""
    project: str = ""
    accept_partial: bool = False

    @property
    def account(self) -> Account:
        """Where the API is, and on whose behalf it is used."""
        return Account(self.endpoint, self.openai_org or "", self.project)


class BatchEndpointConnector(AsyncConnectorBase[BatchEndpointMetadata]):
    """Runs the requests of an uploaded file as a batch."""

    name = "OpenAI Batch Endpoint Connector"
    task_type_name = "openai-batch"
    metadata_type = BatchEndpointMetadata
    capabilities = Capabilities(finds_by_key=True, lists_owned=True, batches_polls=True)

    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str = "",
        inputs: LiteralMap | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,
        *,
        idempotency_key: str = "",
        tags: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> BatchEndpointMetadata:
        custom = idl.native(task_template.custom)
        account = Account.of(custom)
        config = {
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            **{name: value for name, value in (custom.get("config") or {}).items() if value is not None},
        }
        file = inputs.literals["input_file_id"].scalar.primitive.string_value if inputs is not None else ""
        if not file:
            raise UserError("The task has no input_file_id.", remedy="Upload the requests with UploadJSONLFileTask.")
        config["metadata"] = _labelled(config.get("metadata") or {}, tags or {}, idempotency_key)
        config["extra_headers"] = {**config.get("extra_headers", {}), "Idempotency-Key": idempotency_key}
        batch = ask(account.connect().batches.create, "create the batch", input_file_id=file, **config)
        return _meta(account, batch, custom)

    def find(self, idempotency_key: str, task_template: TaskTemplate, **kwargs: Any) -> BatchEndpointMetadata | None:
        custom = idl.native(task_template.custom)
        account = Account.of(custom)
        for batch in _since(account.connect(), _SEARCHED):
            if (batch.metadata or {}).get(_KEY) == idempotency_key:
                return _meta(account, batch, custom)
        return None

    def find_owned(
        self, task_template: TaskTemplate | None = None, **kwargs: Any
    ) -> list[tuple[BatchEndpointMetadata, dict[str, str]]]:
        custom = {} if task_template is None else idl.native(task_template.custom)
        account = Account.of(custom)
        return [
            (_meta(account, batch, custom), dict(batch.metadata))
            for batch in _since(account.connect(), _LIVES)
            if batch.metadata and _KEY in batch.metadata and not PHASES.get(batch.status, Phase.RUNNING).is_terminal
        ]

    def get(self, resource_meta: BatchEndpointMetadata, **kwargs: Any) -> Resource:
        client = resource_meta.account.connect()
        return self._resource(_retrieve(client, resource_meta), resource_meta, client)

    def get_many(self, metas: Sequence[BatchEndpointMetadata], **kwargs: Any) -> list[Resource]:
        wanted: dict[Account, set[str]] = {}
        for meta in metas:
            wanted.setdefault(meta.account, set()).add(meta.batch_id)
        clients = {account: account.connect() for account in wanted}
        listed = {account: _listed(clients[account], ids) for account, ids in wanted.items()}
        return [
            self._resource(
                listed[meta.account].get(meta.batch_id) or _retrieve(clients[meta.account], meta),
                meta,
                clients[meta.account],
            )
            for meta in metas
        ]

    def delete(self, resource_meta: BatchEndpointMetadata, **kwargs: Any) -> None:
        client = resource_meta.account.connect()
        try:
            ask(client.batches.cancel, "cancel the batch", batch_id=resource_meta.batch_id)
        except NoSuchObjectError:
            return
        except HardpointError as error:
            # A batch that has ended is refused; only its state tells that from other conflicts.
            if getattr(error, "status", None) not in (400, 409):
                raise
            state = _retrieve(client, resource_meta).status
            if state != "cancelling" and not PHASES.get(state, Phase.RUNNING).is_terminal:
                raise

    def _resource(self, batch: Batch, meta: BatchEndpointMetadata, client: OpenAI) -> Resource:
        phase, message = standing(batch, client, accept_partial=meta.accept_partial)
        host = client.base_url.host
        is_openai = host == "openai.com" or host.endswith(".openai.com")
        info = {"request_counts": batch.request_counts, "usage": batch.usage}
        return Resource(
            phase,
            message=message,
            log_links=[log_link("OpenAI batch", f"https://platform.openai.com/batches/{batch.id}")]
            if is_openai
            else None,
            outputs={"result": batch.to_dict(mode="json")} if phase is Phase.SUCCEEDED else None,
            custom_info={name: value.to_dict(mode="json") for name, value in info.items() if value is not None},
        )


def _labelled(own: Mapping[str, str], tags: Mapping[str, str], key: str) -> dict[str, str]:
    """The user's metadata with the key, and with the owner's tags if there is room for them."""
    if len({*own, _KEY}) > _PAIRS:
        raise FlyteValidationException(
            f"A batch bears {_PAIRS} pairs of metadata, of which one is needed to find it again; the config has {len(own)}.",
            remedy="Leave one out.",
        )
    metadata = {**tags, **own, _KEY: key}
    return metadata if len(metadata) <= _PAIRS else {**own, _KEY: key}


def _meta(account: Account, batch: Batch, custom: Mapping[str, Any]) -> BatchEndpointMetadata:
    return BatchEndpointMetadata(
        openai_org=account.organization or None,
        batch_id=batch.id,
        endpoint=account.base_url,
        project=account.project,
        accept_partial=bool(custom.get("accept_partial")),
    )


def _retrieve(client: OpenAI, meta: BatchEndpointMetadata) -> Batch:
    try:
        return ask(client.batches.retrieve, "tell of the batch", batch_id=meta.batch_id)
    except NoSuchObjectError as error:
        raise JobGoneError(error.message) from error


def _pages(client: OpenAI) -> Iterator[list[Batch]]:
    """All batches, the newest first."""
    page = ask(client.batches.list, "list the batches", limit=_PAGE)
    while True:
        yield page.data
        if not page.has_next_page():
            return
        page = ask(page.get_next_page, "list the batches")


def _since(client: OpenAI, seconds: float) -> Iterator[Batch]:
    """Those that were created so many seconds ago, or later."""
    since = time.time() - seconds
    return takewhile(lambda batch: batch.created_at >= since, chain.from_iterable(_pages(client)))


def _listed(client: OpenAI, ids: set[str]) -> dict[str, Batch]:
    """Those of the batches that are on the newest pages, of which each holds at least one."""
    found: dict[str, Batch] = {}
    if len(ids) == 1:
        return found
    for page in _pages(client):
        new = {batch.id: batch for batch in page if batch.id in ids}
        found.update(new)
        if not new or len(found) == len(ids):
            break
    return found
