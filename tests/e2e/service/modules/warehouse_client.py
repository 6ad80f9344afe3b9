"""The client library of a warehouse, as its vendor would ship it: blocking, with cursors, over HTTP."""

import enum
import json
import os
import urllib.request


class ProgrammingError(Exception):
    pass


class QueryStatus(enum.Enum):
    RUNNING = 0
    SUCCESS = 2
    FAILED_WITH_ERROR = 4


class Cursor:
    sfqid = None

    def __init__(self, connection):
        self.connection = connection
        self.rows = []

    def execute_async(self, statement, params=None):
        self.sfqid = self.connection.ask("/queries", statement=statement, params=params)["id"]

    def execute(self, statement):
        self.rows = self.connection.ask("/statements", statement=statement)["rows"]

    def fetchall(self):
        return self.rows

    def close(self):
        pass


class Connection:
    def __init__(self, **login):
        self.login = login

    def ask(self, path, **body):
        data = json.dumps({"login": self.login, **body}).encode()
        with urllib.request.urlopen(os.environ["WAREHOUSE_URL"] + path, data, timeout=10) as answer:
            return json.loads(answer.read())

    def cursor(self):
        return Cursor(self)

    def get_query_status_throw_if_error(self, query_id):
        told = self.ask("/status", id=query_id)
        if told["status"] == "FAILED_WITH_ERROR":
            raise ProgrammingError(told["error"])
        return QueryStatus[told["status"]]

    def close(self):
        pass


def connect(**login):
    return Connection(**login)
