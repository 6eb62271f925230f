"""Files come whole, or one line says why not; what broke off is gone on with."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from depth_ros.errors import ModelError
from depth_ros.models.fetch import fetch

BODY = bytes(range(256)) * 8192
SUM = hashlib.sha256(BODY).hexdigest()


class Server(HTTPServer):
    body = BODY
    tag = '"one"'
    cut = 0
    asked: list[str | None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model.onnx"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked, body = self.headers.get("Range"), self.server.body
        self.server.asked.append(asked)
        start = int(asked[6:-1]) if asked and self.headers.get("If-Range", self.server.tag) == self.server.tag else 0
        if self.path != "/model.onnx" or start >= len(body):
            self.send_error(404 if self.path != "/model.onnx" else 416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        self.end_headers()
        self.wfile.write(body[start : self.server.cut or None])

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as made:
        made.asked = []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def one_line(url: str, path: Path, told: str, sha256: str = "") -> None:
    with pytest.raises(ModelError, match=told) as caught:
        fetch(url, path, sha256)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_a_file_comes_with_progress_and_is_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = fetch(server.url, tmp_path / "deep" / "model.onnx", SUM, lambda *args: told.append(args))
    assert path.read_bytes() == BODY
    assert told[-1] == (len(BODY), len(BODY))
    fetch(server.url, path, SUM)
    assert len(server.asked) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("sha256", [SUM, ""])
def test_what_broke_off_is_gone_on_with(server: Server, tmp_path: Path, sha256: str) -> None:
    path, server.cut = tmp_path / "model.onnx", 1500000
    one_line(server.url, path, "broke off after 1.5 of 2.1 MB: run it again", sha256)
    server.cut = 0
    assert fetch(server.url, path, sha256).read_bytes() == BODY
    assert server.asked == [None, "bytes=1500000-"]


@pytest.mark.parametrize("tag", ['"two"', ""])
def test_a_file_that_changed_meanwhile_comes_from_its_start(server: Server, tmp_path: Path, tag: str) -> None:
    path, server.cut = tmp_path / "model.onnx", 1500000
    if not tag:
        server.tag = ""
    one_line(server.url, path, "broke off")
    server.cut, server.tag, server.body = 0, tag, BODY[::-1]
    assert fetch(server.url, path).read_bytes() == BODY[::-1]


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").write_bytes(BODY + b"more")
    assert fetch(server.url, tmp_path / "model.onnx", SUM).read_bytes() == BODY


def test_another_file_than_expected_is_one_line(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    one_line(server.url, path, "not the file that is expected", "0" * 64)
    assert not list(tmp_path.glob("*.part"))
    path.write_bytes(b"mine")
    with pytest.raises(ModelError, match="is there and is another file"):
        fetch(server.url, path, SUM)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("sha256", [SUM, ""])
def test_a_folder_in_the_place_of_the_file_is_one_line(server: Server, tmp_path: Path, sha256: str) -> None:
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(ModelError, match=r"model\.onnx is there and is no file: remove it"):
        fetch(server.url, tmp_path / "model.onnx", sha256)


def test_a_length_that_is_no_number_is_none(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Handler.send_header

    def odd(handler: Handler, name: str, value: str) -> None:
        send(handler, name, "many" if name == "Content-Length" else value)

    monkeypatch.setattr(Handler, "send_header", odd)
    assert fetch(server.url, tmp_path / "model.onnx", SUM).read_bytes() == BODY


def test_no_network_says_how_to_go_on_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    one_line("http://127.0.0.1:9/model.onnx", path, f"cannot be reached .*: download .* and put it at {path}")


def test_refusals_and_addresses_without_https_are_one_line(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    one_line(server.url + "x", path, "refused with 404")
    one_line("http://models.example.com/model.onnx", path, "HTTPS alone")
    one_line("file:///etc/hostname", path, "HTTPS alone")


def test_no_disk_is_one_line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    one_line(server.url, tmp_path / "model.onnx", "needs 2 MB, and 0 MB are free: make room")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be written"):
        fetch(server.url, tmp_path / "file" / "model.onnx")
