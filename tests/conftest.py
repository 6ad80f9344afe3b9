"""What holds for every test: nothing of the developer's own configuration gets in, and no state gets out."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path

import pytest

pytest_plugins = ["tests.services.plugin"]
pytest.register_assert_rewrite("hardpoint.testing")  # before it is imported, so that its assertions say what differs

_FOREIGN = ("HARDPOINT_", "FLYTE_", "AWS_", "AZURE_", "GOOGLE_", "_FSEC_", "_F_")
_KEEP = ("AWS_CA_BUNDLE",)

_root = Path(tempfile.mkdtemp(prefix="hardpoint-tests-"))
_count = itertools.count()


def pytest_configure() -> None:
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEEP:
            del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = str(_root / "config")
    os.environ["XDG_STATE_HOME"] = str(_root / "state")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(
        filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"))
    )


def pytest_unconfigure() -> None:
    shutil.rmtree(_root, ignore_errors=True)


@pytest.fixture(autouse=True)
def state_dir(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test's own folder for the run store and the cache, made by whoever writes there first."""
    path = _root / "tests" / str(next(_count))
    monkeypatch.setenv("HARDPOINT_LOCAL_STATE_DIR", str(path))
    # The configuration is read once a process; each test reads its own.
    monkeypatch.setattr("hardpoint.settings._loaded", None)
    # Clients of stores keep the address and the credentials that they were made with.
    monkeypatch.setattr("hardpoint.storage.access._default", None)
    # What one test knows as a secret may be a word in the next.
    monkeypatch.setattr("hardpoint.secrets._known", OrderedDict())
    monkeypatch.setattr("hardpoint.secrets._pattern", None)
    return path
