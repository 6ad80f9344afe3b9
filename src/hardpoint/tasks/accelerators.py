"""Kinds of accelerators that a task may ask for: ``@task(accelerator=A100)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flyteidl.core.tasks_pb2 import GPUAccelerator as GPUAcceleratorMessage

__all__ = [
    "A10G",
    "A100",
    "A100_80GB",
    "H100",
    "H200",
    "K80",
    "L4",
    "L4_VWS",
    "L40S",
    "M60",
    "P4",
    "P100",
    "RTX_PRO_6000",
    "T4",
    "V5E",
    "V5P",
    "V6E",
    "V100",
    "BaseAccelerator",
    "GPUAccelerator",
    "MultiInstanceGPUAccelerator",
]


class BaseAccelerator:
    """Something that is attached to a node beside its processors."""

    def proto(self) -> GPUAcceleratorMessage:
        raise NotImplementedError


@dataclass(frozen=True)
class GPUAccelerator(BaseAccelerator):
    """A kind of GPU.

    Args:
        device: The value of the node label by which the cluster tells kinds of GPUs apart.
    """

    device: str

    def proto(self) -> GPUAcceleratorMessage:
        return GPUAcceleratorMessage(device=self.device)


@dataclass(frozen=True)
class MultiInstanceGPUAccelerator(BaseAccelerator):
    """A kind of GPU that can be partitioned.

    Args:
        device: As for `GPUAccelerator`.
        partition_size: Size of the partition; None: a GPU that is not partitioned; an empty text leaves it open.
    """

    device: str
    partition_size: str | None = ""

    @property
    def unpartitioned(self) -> MultiInstanceGPUAccelerator:
        """The whole GPU."""
        return type(self)(self.device, None)

    def partitioned(self, partition_size: str) -> MultiInstanceGPUAccelerator:
        """One partition of the given size."""
        return type(self)(self.device, partition_size)

    def proto(self) -> GPUAcceleratorMessage:
        message = GPUAcceleratorMessage(device=self.device)
        if self.partition_size is None:
            message.unpartitioned = True
        elif self.partition_size:
            message.partition_size = self.partition_size
        return message


class _Partitions(MultiInstanceGPUAccelerator):
    """A GPU whose possible partitions are attributes, such as ``A100.partition_1g_5gb``."""

    sizes: ClassVar[tuple[str, ...]] = ()

    def __getattr__(self, name: str) -> MultiInstanceGPUAccelerator:
        size = name.removeprefix("partition_").replace("_", ".")
        if name.startswith("partition_") and size in self.sizes:
            return self.partitioned(size)
        raise AttributeError(f"{self.device} has no {name!r}; its partitions are {', '.join(self.sizes)}")


# https://docs.nvidia.com/datacenter/tesla/mig-user-guide/#supported-mig-profiles
class _A100(_Partitions):
    sizes = ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")


class _A10080GB(_Partitions):
    sizes = ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")


A10G = GPUAccelerator("nvidia-a10g")
A100 = _A100("nvidia-tesla-a100")
A100_80GB = _A10080GB("nvidia-a100-80gb")
H100 = GPUAccelerator("nvidia-h100")
H200 = GPUAccelerator("nvidia-h200")
K80 = GPUAccelerator("nvidia-tesla-k80")
L4 = GPUAccelerator("nvidia-l4")
L4_VWS = GPUAccelerator("nvidia-l4-vws")
L40S = GPUAccelerator("nvidia-l40s")
M60 = GPUAccelerator("nvidia-tesla-m60")
P4 = GPUAccelerator("nvidia-tesla-p4")
P100 = GPUAccelerator("nvidia-tesla-p100")
RTX_PRO_6000 = GPUAccelerator("nvidia-rtx-pro-6000")
T4 = GPUAccelerator("nvidia-tesla-t4")
V100 = GPUAccelerator("nvidia-tesla-v100")

# https://cloud.google.com/kubernetes-engine/docs/concepts/plan-tpus
# The partition is the slice's topology, such as "2x2".
V5E = MultiInstanceGPUAccelerator("tpu-v5-lite-podslice")
V5P = MultiInstanceGPUAccelerator("tpu-v5p-slice")
V6E = MultiInstanceGPUAccelerator("tpu-v6e-slice")
