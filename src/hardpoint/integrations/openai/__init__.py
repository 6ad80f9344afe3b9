"""OpenAI: chat completions and batches, on OpenAI or on a server that speaks its API."""

from typing import TYPE_CHECKING

from hardpoint.integration import Integration

if TYPE_CHECKING:
    from hardpoint.integrations.openai.batch import BatchEndpointConnector as BatchEndpointConnector
    from hardpoint.integrations.openai.batch import BatchEndpointMetadata as BatchEndpointMetadata
    from hardpoint.integrations.openai.chat import ChatGPTConnector as ChatGPTConnector
    from hardpoint.integrations.openai.files import BatchResult as BatchResult
    from hardpoint.integrations.openai.files import DownloadJSONFilesTask as DownloadJSONFilesTask
    from hardpoint.integrations.openai.files import OpenAIFileConfig as OpenAIFileConfig
    from hardpoint.integrations.openai.files import OpenAIFileDefaultImages as OpenAIFileDefaultImages
    from hardpoint.integrations.openai.files import UploadJSONLFileTask as UploadJSONLFileTask
    from hardpoint.integrations.openai.task import BatchEndpointTask as BatchEndpointTask
    from hardpoint.integrations.openai.task import ChatGPTTask as ChatGPTTask
    from hardpoint.integrations.openai.workflow import create_batch as create_batch

integration = Integration(
    name="openai",
    title="OpenAI",
    summary="Ask OpenAI's models, one prompt at a time or in batches of thousands.",
    extra="openai",
    requires=("openai",),
    supports=("openai>=3,<4",),
    connectors={"chatgpt": ".chat:ChatGPTConnector", "openai-batch": ".batch:BatchEndpointConnector"},
    exports=(
        ".batch:BatchEndpointConnector",
        ".batch:BatchEndpointMetadata",
        ".chat:ChatGPTConnector",
        ".files:BatchResult",
        ".files:DownloadJSONFilesTask",
        ".files:OpenAIFileConfig",
        ".files:OpenAIFileDefaultImages",
        ".files:UploadJSONLFileTask",
        ".task:BatchEndpointTask",
        ".task:ChatGPTTask",
        ".workflow:create_batch",
    ),
)

__getattr__, __dir__, __all__ = integration.lazy()
