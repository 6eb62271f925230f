"""Built plans on disk: whole, our own, found again only where everything is as it was when they were built.

A plan is executable code: whoever can write one runs code in our name. So plans are read from one folder alone, which
must belong to this user and be writable by nobody else, as must every file in it. Digests find damage; it is the
ownership that keeps an attacker out. Of a plan and what is said of it one file is made, so that one `rename` is the
moment from which it is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

from depth_ros.errors import BuildCancelledError, EngineError

Facts = Mapping[str, Any]
"""JSON values."""
MAGIC = b"depth_ros plan 1\n"
FOLDER = "depth_ros/plans"
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
CHUNK = 1 << 20
POLL_S = 0.1


class Stored(NamedTuple):
    """A plan, the facts that it depends on (its key is made of them), and notes that it does not depend on."""

    plan: bytes
    facts: Facts
    notes: Facts


class BadPlanError(EngineError):
    """A file of the cache is damaged or not to be trusted."""


def default_folder() -> Path:
    """Return the folder of the plans of this user; `DEPTH_ROS_PLANS` names another."""
    if named := os.environ.get("DEPTH_ROS_PLANS"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / FOLDER


def key_of(facts: Facts) -> str:
    """Return the name under which a plan that depends on these facts is kept."""
    return hashlib.sha256(_canonical(facts)).hexdigest()[:32]


class PlanCache:
    """The plans of one folder, which is made when it is not there.

    Raises EngineError when the folder belongs to another user, others may write in it, or it cannot be made.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder
        with self._opened():
            pass

    def load(self, facts: Facts) -> Stored | None:
        """Return the plan that depends on exactly these facts, None when there is none.

        Raises BadPlanError, which says what is wrong, when there is one that is damaged or not our own.
        """
        name = f"{key_of(facts)}.plan"
        with self._opened() as folder:
            try:
                content = _read(folder, name)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise BadPlanError(f"{self.folder / name} cannot be read: {error.strerror}") from error
        stored = _decode(content, self.folder / name)
        if _canonical(stored.facts) != _canonical(facts):
            raise BadPlanError(f"{self.folder / name} is the plan of something else")
        return stored

    def store(self, stored: Stored) -> None:
        """Keep a plan; it replaces another at once and whole, or not at all. Raises EngineError on a full disk."""
        name = f"{key_of(stored.facts)}.plan"
        head = _canonical({"facts": stored.facts, "notes": stored.notes}) + b"\n"
        with self._opened() as folder:
            try:
                _write(folder, name, (MAGIC, _digest(head, stored.plan), head, stored.plan))
            except OSError as error:
                raise EngineError(f"{self.folder / name} cannot be written: {error.strerror}: free the disk") from error

    def remove(self, facts: Facts) -> None:
        """Forget a plan, if there is one."""
        with self._opened() as folder, suppress(FileNotFoundError):
            os.unlink(f"{key_of(facts)}.plan", dir_fd=folder)

    def newest(self, wanted: Callable[[Facts], bool]) -> Facts | None:
        """Return the facts of the plan that was stored last, of those that are wanted; reads no plan."""
        found: list[tuple[float, Facts]] = []
        with self._opened() as folder:
            for name in os.listdir(folder):
                with suppress(OSError, EngineError):
                    if name.endswith(".plan"):
                        facts = _read_head(folder, name)["facts"]
                        found.append((os.stat(name, dir_fd=folder).st_mtime, facts))
        return max(((t, f) for t, f in found if wanted(f)), default=(0.0, None), key=lambda entry: entry[0])[1]

    @contextmanager
    def lock(self, facts: Facts, go_on: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Be the only process that builds the plan of these facts; what a killed one left half written is removed.

        go_on: is asked while another process builds. Raises BuildCancelledError when it says no.
        """
        key, start = key_of(facts), monotonic()
        with self._opened() as folder:
            held = os.open(f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
            try:
                while not _locked(held):
                    if not go_on():
                        waited = monotonic() - start
                        raise BuildCancelledError(f"gave up after {waited:.0f} s: another process builds the same plan")
                    sleep(POLL_S)
                for name in os.listdir(folder):
                    if name.startswith(f".{key}."):
                        os.unlink(name, dir_fd=folder)
                yield
            finally:
                os.close(held)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Hold the folder itself open, whatever its path means later, once it is known to be ours alone."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise EngineError(f"the folder of plans {self.folder} cannot be used: {error.strerror}") from error
        try:
            wrong = _distrusted(os.fstat(folder))
            if wrong:
                remedy = "plans are executable code: remove it, or name another with DEPTH_ROS_PLANS"
                raise EngineError(f"the folder of plans {self.folder} {wrong}; {remedy}")
            yield folder
        finally:
            os.close(folder)


def _distrusted(status: os.stat_result) -> str:
    """Say why a folder or file is not ours alone; empty when it is."""
    if status.st_uid != os.geteuid():
        return f"belongs to user {status.st_uid}, not to {os.geteuid()}"
    if status.st_mode & OTHERS_MAY_WRITE:
        return f"can be written by others (mode {stat.S_IMODE(status.st_mode):o})"
    return ""


def _open_trusted(folder: int, name: str) -> int:
    """Open a file of the folder; raises OSError, and BadPlanError when it is not a plain file of our own."""
    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    status = os.fstat(opened)
    wrong = _distrusted(status) if stat.S_ISREG(status.st_mode) else "is not a file"
    if wrong:
        os.close(opened)
        raise BadPlanError(f"{name} {wrong}")
    return opened


def _read(folder: int, name: str) -> bytes:
    with os.fdopen(_open_trusted(folder, name), "rb") as file:
        return file.read()


def _read_head(folder: int, name: str) -> dict[str, Any]:
    with os.fdopen(_open_trusted(folder, name), "rb") as file:
        return _parse_head(b"".join(file.readline(CHUNK) for _ in range(3)), Path(name))[0]


def _write(folder: int, name: str, parts: tuple[bytes, ...]) -> None:
    """Write a file that is there whole, also after a power cut, or not at all."""
    partial = f".{Path(name).stem}.{os.getpid()}.partial"
    opened = os.open(
        partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
    )
    try:
        with os.fdopen(opened, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial, dir_fd=folder)
        raise


def _parse_head(content: bytes, path: Path) -> tuple[dict[str, Any], bytes]:
    """Return facts and notes of a file, and its plan."""
    lines = content.split(b"\n", 3)
    if len(lines) < 4 or lines[0] + b"\n" != MAGIC:
        raise BadPlanError(f"{path} is not a plan of depth_ros, or cut off")
    try:
        head = json.loads(lines[2])
        return {"facts": head["facts"], "notes": head["notes"]}, lines[3]
    except (ValueError, KeyError, TypeError) as error:
        raise BadPlanError(f"{path} is damaged: what it says of itself cannot be read") from error


def _decode(content: bytes, path: Path) -> Stored:
    head, plan = _parse_head(content, path)
    _, digest, told, _ = content.split(b"\n", 3)
    if _digest(told + b"\n", plan) != digest + b"\n":
        raise BadPlanError(f"{path} is damaged or cut off: its digest is another")
    return Stored(plan, head["facts"], head["notes"])


def _digest(head: bytes, plan: bytes) -> bytes:
    digest = hashlib.sha256(head)
    digest.update(plan)
    return digest.hexdigest().encode() + b"\n"


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _locked(opened: int) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
