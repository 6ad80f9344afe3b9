"""The connector service: a gRPC server that a Flyte backend, old or new, calls to run external jobs.

Only this room imports grpc, and only when a service is started.
"""

import os

# What grpc does in a child between fork and exec crashes some of the children that a loop of uvloop starts; ours all exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
