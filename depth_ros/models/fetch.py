"""Files of models over HTTPS: resumed where they broke off, checked by their SHA-256, there only when whole."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from depth_ros.errors import ModelError

CHUNK = 1 << 20
TIMEOUT = 30.0
"""Seconds without a byte after which the network is given up."""
HERE = ("localhost", "127.0.0.1", "::1")
RANGE_IS_WRONG = 416
PARTIAL = 206
Progress = Callable[[int, int], None]
"""Is told the bytes that are here and those of the whole, 0 = not known."""


def fetch(url: str, path: Path, sha256: str = "", progress: Progress | None = None) -> Path:
    """Bring a file to `path`, unless it is there, and return the path.

    What came before a break stays in `<path>.part`, and is gone on with while the server has the same file. sha256: of
    the file; empty: not known, and only its length is checked.

    Raises ModelError, in one line, when the address is not HTTPS, nothing answers, the disk is full, or what came is
    not the file that is expected.
    """
    if path.exists():
        with _told(url, path):
            if not path.is_file():
                raise ModelError(f"{path} is there and is no file: remove it, or choose another place")
            if sha256 and file_sha256(path) != sha256.lower():
                raise ModelError(f"{path} is there and is another file than {url}: remove it, or choose another place")
        return path
    part = path.with_name(path.name + ".part")
    with _told(url, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part, path, bool(sha256), progress)
        found = file_sha256(part) if sha256 else ""
        if sha256 and found != sha256.lower():
            part.unlink()
            raise ModelError(f"{url} is not the file that is expected: SHA-256 {found[:12]}..., not {sha256[:12]}...")
        os.replace(part, path)
        _tag(part).unlink(missing_ok=True)
    return path


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _download(url: str, part: Path, path: Path, known: bool, progress: Progress | None) -> None:
    """Bring the whole of a file into `part`."""
    have = part.stat().st_size if part.exists() else 0
    tag = _tag(part).read_text(encoding="utf-8") if have and _tag(part).exists() else ""
    # Without its sum or a tag nothing would tell whether the rest is of the same file.
    headers = {"Range": f"bytes={have}-", **({"If-Range": tag} if tag else {})} if have and (tag or known) else {}
    try:
        response = _open(url, headers)
    except HTTPError as error:
        if error.code != RANGE_IS_WRONG or not headers:
            raise
        part.unlink()
        return _download(url, part, path, known, progress)
    with response:
        have = have if response.status == PARTIAL else 0
        whole = have + (response.length or 0)
        _check_room(path, whole - have)
        _tag(part).write_text(_validator(response.headers), encoding="utf-8")
        with part.open("ab" if have else "wb") as file:
            have = _copy(response, file, have, whole, progress)
    if have < whole:
        raise ModelError(f"{url} broke off after {have / 1e6:.1f} of {whole / 1e6:.1f} MB: run it again to go on")
    return None


def _copy(response: Any, file: Any, have: int, whole: int, progress: Progress | None) -> int:
    while chunk := response.read(CHUNK):
        file.write(chunk)
        have += len(chunk)
        if progress is not None:
            progress(have, whole)
    return have


def _open(url: str, headers: dict[str, str]) -> Any:
    _check_address(url)
    response = urlopen(Request(url, headers={"User-Agent": "depth_ros", **headers}), timeout=TIMEOUT)
    _check_address(response.geturl())
    return response


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in HERE):
        raise ModelError(f"{url} is not an address of HTTPS: models are fetched over HTTPS alone")


def _validator(headers: HTTPMessage) -> str:
    """What tells this file from a later one under the same address; a weak tag does not."""
    tag = headers.get("ETag") or ""
    return "" if tag.startswith("W/") else tag


def _tag(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _check_room(path: Path, wanted: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if wanted > free:
        raise ModelError(f"{path} needs {wanted / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free: make room")


@contextmanager
def _told(url: str, path: Path) -> Iterator[None]:
    """Turn what the network and the disk raise into a line that says how to go on by hand."""
    by_hand = f"download {url} on another machine and put it at {path}"
    try:
        yield
    except HTTPError as error:
        raise ModelError(f"{url} is refused with {error.code} {error.reason}: {by_hand}") from error
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error or type(error).__name__).split())
        raise ModelError(f"{url} cannot be reached ({reason}): {by_hand}") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}") from error
