"""A grpc.aio server by hand, whose handlers return constants."""

import asyncio

import grpc
from flyteidl.admin.agent_pb2 import CreateTaskResponse, GetTaskResponse, Resource
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceServicer, add_AsyncAgentServiceServicer_to_server


class Servicer(AsyncAgentServiceServicer):
    created = CreateTaskResponse(resource_meta=b'{"job_id": "s3://bucket/0"}')
    running = GetTaskResponse(resource=Resource(phase=2, message="RUNNING", state=2))

    async def CreateTask(self, request, context):
        return self.created

    async def GetTask(self, request, context):
        return self.running


async def main():
    server = grpc.aio.server()
    add_AsyncAgentServiceServicer_to_server(Servicer(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
