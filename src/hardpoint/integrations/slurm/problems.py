"""What SSH and Slurm's commands complain of, as our errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hardpoint.errors import HardpointError, PermanentError, TransientError, UserError

__all__ = [
    "LOCKED",
    "MISSING",
    "HostKeyError",
    "LoginRefusedError",
    "Ran",
    "SlurmError",
    "SlurmUnavailableError",
    "refused",
    "translated",
]

LOCKED = 75
"""The status with which a submission gives up waiting for another one. ``EX_TEMPFAIL`` of sysexits.h."""

MISSING = 127
"""The status of a shell that does not know a command."""
_LONGEST = 2000

# Of what Slurm says when it, and not the job, is in trouble.
_PASSING = re.compile(
    r"unable to contact slurm|socket timed out|temporarily unable|standby mode|connection (refused|reset|timed out|failure)"
    r"|connect failure|zero bytes|shutting down|resource temporarily unavailable|not responding|unable to connect"
    r"|failed to open persistent connection|database connection|transport endpoint|try again",
    re.IGNORECASE,
)
_LIMIT = re.compile(r"MaxSubmit|job submit limit|pending job limit", re.IGNORECASE)


class SlurmError(UserError):
    """Slurm refuses what it was asked for."""

    code = "USER:Slurm"


class SlurmUnavailableError(TransientError):
    """The login host or Slurm itself does not answer now."""

    code = "SYSTEM:SlurmUnavailable"


class HostKeyError(UserError):
    """The login host could not prove that it is the one that was meant."""

    code = "USER:HostKey"


class LoginRefusedError(PermanentError, PermissionError):
    """The login host does not let this user in."""

    code = "SYSTEM:LoginRefused"


@dataclass(frozen=True)
class Ran:
    """What a program on the login host has printed, and its status; -1: a signal has ended it."""

    raw: bytes
    err: str
    status: int

    @property
    def out(self) -> str:
        """What it has printed, as text."""
        return self.raw.decode(errors="replace")

    @property
    def said(self) -> str:
        """Its complaints, shortened."""
        return " ".join(line.strip() for line in self.err.splitlines() if line.strip())[-_LONGEST:]


def refused(ran: Ran, doing: str, host: str) -> HardpointError:
    """The error of a program that did not succeed.

    Args:
        ran: The program.
        doing: What failed, as in ``submit the job``.
        host: The login host.
    """
    said = ran.said or f"status {ran.status}"
    if ran.status == LOCKED:
        return SlurmUnavailableError(f"Another submission of this job is still on its way at {host}.", host=host)
    if ran.status == MISSING:
        return SlurmError(
            f"{host} has no such command: {said}",
            remedy="Name a login host of the cluster, and put Slurm's commands on the PATH of logins without a terminal, "
            "for example in ~/.bashrc.",
            host=host,
        )
    if _LIMIT.search(said):
        return SlurmUnavailableError(f"Slurm at {host} takes no more jobs of this user now: {said}", retry_after=30.0)
    if ran.status < 0 or _PASSING.search(said):
        return SlurmUnavailableError(f"Slurm at {host} could not {doing}: {said}", host=host)
    return SlurmError(
        f"Slurm at {host} refused to {doing}: {said}",
        remedy="Correct sbatch_config or the script; `sbatch --help` there lists the options.",
        host=host,
    )


@contextmanager
def translated(host: str, port: int, user: str) -> Iterator[None]:
    """Raise errors of SSH as ours.

    Raises:
        HostKeyError: the host's key is not known.
        UserError: a key cannot be used, or a file cannot be moved.
        LoginRefusedError: the login is refused.
        SlurmUnavailableError: the host cannot be reached, or the connection broke.
    """
    import asyncssh

    try:
        yield
    except HardpointError:
        raise
    except asyncssh.HostKeyNotVerifiable as error:
        scan = f"ssh-keyscan -p {port} {host}"
        raise HostKeyError(
            f"{host} showed a host key that is not known: {error.reason}",
            remedy=f"Compare the key that `{scan}` prints with what the cluster's staff say, then add it to ~/.ssh/known_hosts "
            'of whoever runs the connector, or pin it: ssh_config={"known_hosts": "ssh-ed25519 AAAA..."}.',
            host=host,
        ) from error
    except asyncssh.PermissionDenied as error:
        raise LoginRefusedError(
            f"{host} does not let {user or 'this user'} in: {error.reason}",
            remedy="Check the user name, and that the public key belonging to the secret FLYTE_SLURM_PRIVATE_KEY, or to "
            "client_keys, is in ~/.ssh/authorized_keys there.",
            host=host,
        ) from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise UserError(
            f"A private key in client_keys cannot be used: {error}", remedy="Name a key without a passphrase."
        ) from None
    except asyncssh.SFTPError as error:
        raise SlurmError(f"{host} could not move a file: {error.reason}", host=host) from error
    except asyncssh.Error as error:
        raise SlurmUnavailableError(f"The connection to {host} failed: {error}", host=host) from error
    except TimeoutError as error:
        raise SlurmUnavailableError(f"{host} did not answer in time.", host=host) from error
    except OSError as error:
        raise SlurmUnavailableError(f"{host} cannot be reached: {error}", host=host) from error
