"""The saboteur: stands between a connector and the service that it talks to, and does what networks and services do on bad days.

`HttpSaboteur` reads requests and answers; `TcpSaboteur` passes on bytes of any protocol, and can do what needs no knowledge of it.
"""

from hardpoint.testing.saboteur.faults import Answer, Fault, Held, Lost, Request, Reset, Slow
from hardpoint.testing.saboteur.http import HttpSaboteur
from hardpoint.testing.saboteur.proxy import Saboteur
from hardpoint.testing.saboteur.tcp import TcpSaboteur

__all__ = [
    "Answer",
    "Fault",
    "Held",
    "HttpSaboteur",
    "Lost",
    "Request",
    "Reset",
    "Saboteur",
    "Slow",
    "TcpSaboteur",
    "sabotage",
]


def sabotage(url: str) -> Saboteur:
    """A saboteur of the service at a URL: of HTTP if it begins with ``http://``, else of TCP."""
    return HttpSaboteur(url) if url.startswith("http://") else TcpSaboteur(url)
