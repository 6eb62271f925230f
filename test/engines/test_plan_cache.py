"""Plans on disk: under damage, under attack, between processes, and when a process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from depth_ros.engines import plan_cache
from depth_ros.engines.plan_cache import BadPlanError, PlanCache, Stored, default_folder, key_of
from depth_ros.errors import EngineError

FACTS = {"graph": "ab12", "shapes": {"image": [1, 32, 64, 3]}}
OTHER = {"graph": "cd34", "shapes": {"image": [1, 32, 64, 3]}}
PLAN = bytes(range(256)) * 300


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    made = PlanCache(tmp_path / "plans")
    made.store(Stored(PLAN, FACTS, {"seconds": 2.5}))
    return made


def file_of(cache: PlanCache, facts: plan_cache.Facts = FACTS) -> Path:
    return cache.folder / f"{key_of(facts)}.plan"


def test_what_is_stored_is_found_by_the_facts_it_depends_on_and_by_no_others(cache: PlanCache) -> None:
    stored = PlanCache(cache.folder).load({"shapes": {"image": (1, 32, 64, 3)}, "graph": "ab12"})
    assert stored is not None
    assert (stored.plan, stored.facts, stored.notes) == (PLAN, FACTS, {"seconds": 2.5})
    assert cache.load(OTHER) is None
    cache.remove(FACTS)
    cache.remove(FACTS)
    assert cache.load(FACTS) is None


def test_folder_and_files_are_for_their_owner_alone(cache: PlanCache) -> None:
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert file_of(cache).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in cache.folder.iterdir()] == [file_of(cache).name]


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DEPTH_ROS_PLANS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "depth_ros" / "plans"
    monkeypatch.setenv("DEPTH_ROS_PLANS", str(tmp_path / "else"))
    assert default_folder() == tmp_path / "else"


@pytest.mark.parametrize("left", [0, 5, 40, 100, 200, 1000])
def test_a_file_that_is_cut_off_anywhere_is_refused(cache: PlanCache, left: int) -> None:
    path = file_of(cache)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(BadPlanError, match=r"damaged|cut off"):
        cache.load(FACTS)


def test_one_changed_bit_anywhere_is_refused(cache: PlanCache) -> None:
    path = file_of(cache)
    whole = path.read_bytes()
    for place in (*range(0, 260, 7), len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BadPlanError):
            cache.load(FACTS)
    path.write_bytes(whole + b"\0")
    with pytest.raises(BadPlanError):
        cache.load(FACTS)


def test_a_plan_in_the_place_of_another_is_refused(cache: PlanCache) -> None:
    cache.store(Stored(PLAN[::-1], OTHER, {}))
    file_of(cache, OTHER).replace(file_of(cache))
    with pytest.raises(BadPlanError, match="the plan of something else"):
        cache.load(FACTS)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(cache: PlanCache, mode: int) -> None:
    file_of(cache).chmod(mode)
    with pytest.raises(BadPlanError, match="can be written by others"):
        cache.load(FACTS)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_is_refused(cache: PlanCache, mode: int) -> None:
    cache.folder.chmod(mode)
    for use in (
        lambda: cache.load(FACTS),
        lambda: cache.store(Stored(PLAN, OTHER, {})),
        lambda: PlanCache(cache.folder),
    ):
        with pytest.raises(EngineError, match=r"can be written by others.*executable code"):
            use()


def test_what_belongs_to_another_user_is_refused(cache: PlanCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(EngineError, match=f"belongs to user {os.getuid()}, not to {os.getuid() + 1}"):
        cache.load(FACTS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_another_user_owns_is_refused(cache: PlanCache) -> None:
    os.chown(file_of(cache), 12345, -1)
    with pytest.raises(BadPlanError, match="belongs to user 12345"):
        cache.load(FACTS)


def test_links_and_what_is_no_file_are_refused(cache: PlanCache, tmp_path: Path) -> None:
    path, elsewhere = file_of(cache), tmp_path / "elsewhere.plan"
    path.replace(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(BadPlanError):
        cache.load(FACTS)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(BadPlanError, match="is not a file"):
        cache.load(FACTS)
    linked = tmp_path / "linked"
    linked.symlink_to(cache.folder, target_is_directory=True)
    with pytest.raises(EngineError, match="cannot be used"):
        PlanCache(linked)


def test_a_folder_that_cannot_be_made_and_a_full_disk_are_known_errors(
    tmp_path: Path, cache: PlanCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be used"):
        PlanCache(tmp_path / "file" / "plans")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineError, match="No space left"):
        cache.store(Stored(b"new", FACTS, {}))
    monkeypatch.undo()
    stored = cache.load(FACTS)
    assert stored is not None
    assert stored.plan == PLAN
    assert len(list(cache.folder.iterdir())) == 1


def test_the_newest_that_is_wanted_is_told_and_damage_passed_over(cache: PlanCache) -> None:
    cache.store(Stored(PLAN, OTHER, {}))
    os.utime(file_of(cache), (1, 1))
    (cache.folder / "damaged.plan").write_bytes(b"nothing")
    assert cache.newest(lambda _: True) == OTHER
    assert cache.newest(lambda facts: facts["graph"] == "ab12") == FACTS
    assert cache.newest(lambda _: False) is None


WRITER = """
import os, signal, sys
from pathlib import Path
from depth_ros.engines import plan_cache
cache = plan_cache.PlanCache(Path(sys.argv[1]))
facts, at = {"graph": "ab12", "shapes": {"image": [1, 32, 64, 3]}}, sys.argv[2]
def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, at, die)
with cache.lock(facts):
    cache.store(plan_cache.Stored(b"new" * 100000, facts, {}))
"""


@pytest.mark.parametrize("at", ["fsync", "rename"])
def test_killed_while_it_writes_the_old_plan_stays_and_the_rest_is_cleared(cache: PlanCache, at: str) -> None:
    done = subprocess.run([sys.executable, "-c", WRITER, str(cache.folder), at], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert any(path.name.endswith(".partial") for path in cache.folder.iterdir())
    stored = cache.load(FACTS)
    assert stored is not None
    assert stored.plan == PLAN
    with cache.lock(FACTS):
        assert not any(path.name.endswith(".partial") for path in cache.folder.iterdir())


BUILDER = """
import sys, time
from pathlib import Path
from depth_ros.engines.plan_cache import PlanCache, Stored
cache, facts = PlanCache(Path(sys.argv[1])), {"graph": "two"}
print("ready", flush=True)
sys.stdin.readline()
with cache.lock(facts):
    if cache.load(facts) is None:
        time.sleep(0.5)
        cache.store(Stored(b"x" * 1000000, facts, {}))
        print("built", flush=True)
    else:
        print("found", flush=True)
"""


def test_of_two_processes_at_once_one_builds_and_the_other_finds(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "plans")]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in both]
    assert sorted(said) == ["built", "found"]


def test_a_lock_ends_with_its_process_and_waiting_can_be_given_up(cache: PlanCache) -> None:
    code = (
        "import sys, time; from pathlib import Path; from depth_ros.engines.plan_cache import PlanCache\n"
        "with PlanCache(Path(sys.argv[1])).lock({'graph': 'held'}): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(cache.folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(EngineError, match="another process builds"), cache.lock({"graph": "held"}, lambda: False):
        pytest.fail("two hold it")
    holder.kill()
    holder.wait()
    with cache.lock({"graph": "held"}, lambda: False):
        pass
