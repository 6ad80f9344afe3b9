"""URIs to bytes and back: local disks, memory, S3, Google Cloud Storage, Azure, the web, and what integrations add.

fsspec and the stores' clients are imported when a URI first asks for them; local disks need neither.
"""

from hardpoint.storage.access import FileAccess, default_file_access
from hardpoint.storage.operations import Entry
from hardpoint.storage.options import storage_options
from hardpoint.storage.uris import file_name, is_remote, join, local_path, protocol

__all__ = [
    "Entry",
    "FileAccess",
    "default_file_access",
    "file_name",
    "is_remote",
    "join",
    "local_path",
    "protocol",
    "storage_options",
]
