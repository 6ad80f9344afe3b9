"""The connector service: a gRPC server that a Flyte backend, old or new, calls to run external jobs.

Only this room imports grpc, and only when a service is started.
"""
