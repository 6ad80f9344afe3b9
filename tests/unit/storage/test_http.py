"""Reading from the web, also on its bad days."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from hardpoint.errors import PermanentError, StorageAccessError, StorageNotFoundError, TransientError
from hardpoint.settings import StorageSettings
from hardpoint.storage import FileAccess
from tests.unit.storage.web import Web, content, cut, web_server


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> FileAccess:
    return FileAccess(str(tmp_path / "raw"), str(tmp_path / "sandbox"), StorageSettings(retries=3))


def test_download_and_stream(web: Web, files: FileAccess, tmp_path: Path) -> None:
    url = web.on("/data.csv", content(b"a,b\n1,2\n"))
    assert Path(files.get_data(url, tmp_path / "x")).read_bytes() == b"a,b\n1,2\n"
    with files.open(url, "r") as stream:
        assert stream.read() == "a,b\n1,2\n"
    assert files.exists(url)
    assert files.size(url) == 8
    assert not files.is_dir(url)
    assert os.path.basename(files.get_random_local_path(f"{url}?sig=1/2")) == "data.csv"


def test_a_bad_moment_is_survived(web: Web, files: FileAccess, tmp_path: Path) -> None:
    url = web.on("/x", content(b"wait", 503, Retry_After="0"), content(b"", 429), content(b"data"))
    assert Path(files.get_data(url, tmp_path / "x")).read_bytes() == b"data"
    assert web.asked == ["GET /x"] * 3


def test_bad_times_are_not(web: Web, files: FileAccess, tmp_path: Path) -> None:
    url = web.on("/x", content(b"", 503, Retry_After="1"))
    started = time.monotonic()
    with pytest.raises(TransientError, match="Could not read http") as raised:
        files.get_data(url, tmp_path / "x")
    assert time.monotonic() - started >= 2  # as long as it asked for, twice
    assert raised.value.retry_after == 1
    assert web.asked == ["GET /x"] * 3
    assert os.listdir(tmp_path) == []


def test_a_body_that_is_cut_is_no_download(web: Web, files: FileAccess, tmp_path: Path) -> None:
    url = web.on("/x", cut(b"half", 8))
    with pytest.raises(TransientError):
        files.get_data(url, tmp_path / "x")
    assert os.listdir(tmp_path) == []
    url = web.on("/y", cut(b"half", 8), content(b"complete"))
    assert Path(files.get_data(url, tmp_path / "y")).read_bytes() == b"complete"


def test_ctrl_c_leaves_nothing(web: Web, tmp_path: Path) -> None:
    begun, let_go = threading.Event(), threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "10")
        request.end_headers()
        request.wfile.write(b"half")
        request.wfile.flush()
        begun.set()
        let_go.wait(30)
        request.close_connection = True

    script = (
        "from hardpoint.storage import FileAccess\n"
        f"FileAccess('memory://x').get_data({web.on('/x', slow)!r}, {str(tmp_path / 'out' / 'x')!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as child:
        try:
            assert begun.wait(30)
            deadline = time.monotonic() + 30
            while not os.path.isdir(tmp_path / "out") or not os.listdir(tmp_path / "out"):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=30)
        finally:
            let_go.set()
    assert "KeyboardInterrupt" in errors
    assert child.returncode != 0
    assert os.listdir(tmp_path / "out") == []


def test_what_is_not_there(web: Web, files: FileAccess, tmp_path: Path) -> None:
    assert not files.exists(f"{web.url}/no")
    with pytest.raises(StorageNotFoundError):
        files.get_data(f"{web.url}/no", tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        files.open(f"{web.url}/no")


@pytest.mark.parametrize(
    ("status", "error"), [(401, StorageAccessError), (403, StorageAccessError), (400, PermanentError)]
)
def test_refusals(web: Web, files: FileAccess, tmp_path: Path, status: int, error: type[Exception]) -> None:
    url = web.on("/x", content(b"", status))
    with pytest.raises(error) as raised:
        files.get_data(f"{url}?X-Amz-Signature=very-secret&page=2", tmp_path / "x")
    assert "very-secret" not in str(raised.value) + repr(raised.value)
    assert "page=2" in str(raised.value)
    assert web.asked == ["GET /x"]


def test_not_knowing_is_not_absence(web: Web, files: FileAccess) -> None:
    url = web.on("/x", content(b"", 500))
    with pytest.raises(TransientError):
        files.exists(url)


def test_the_web_is_not_written_to(web: Web, files: FileAccess) -> None:
    with pytest.raises(PermanentError):
        files.open(f"{web.url}/x", "wb")
