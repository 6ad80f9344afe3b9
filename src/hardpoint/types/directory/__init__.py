"""Folders as values: `FlyteDirectory`, and names for it with common formats."""

from typing import Annotated

from hardpoint.types.directory.directory import BatchSize, FlyteDirectory
from hardpoint.types.directory.transformer import FlyteDirToMultipartBlobTransformer
from hardpoint.types.file.location import FileExt

tensorboard = Annotated[str, FileExt("tensorboard")]
tfrecords_dir = Annotated[str, FileExt("tfrecords_dir")]

TensorboardLogs = FlyteDirectory[tensorboard]
TFRecordsDirectory = FlyteDirectory[tfrecords_dir]

__all__ = [
    "BatchSize",
    "FlyteDirToMultipartBlobTransformer",
    "FlyteDirectory",
    "TFRecordsDirectory",
    "TensorboardLogs",
    "tensorboard",
    "tfrecords_dir",
]
