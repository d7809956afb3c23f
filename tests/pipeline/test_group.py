"""A store of a group, as docs/SHARING.md says to make it: whatever one user has begun, another goes on with."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

GROUP, FIRST, SECOND, STRANGER = 4200, 4201, 4202, 4203

#: The interpreter may be where these users cannot go, so they may read everything; what they may write is what counts here.
READ = "-all,+dac_read_search"

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root, with setpriv, can be two users")

Command = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def place(house) -> Iterator[Path]:
    """A copy of the toy checkout that everybody may read, and beside it the group's store."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        shutil.copytree(house.root, root / "checkout", ignore=shutil.ignore_patterns("artifacts"))
        store = root / "store"
        store.mkdir()
        os.chown(store, 0, GROUP)
        store.chmod(0o2775)
        yield root


@pytest.fixture
def kdpipe(house, place: Path) -> Command:
    """kdpipe as one of the users."""

    def run(user: int, *arguments: str, code: int = 0, umask: int = 0o002) -> subprocess.CompletedProcess:
        groups = ["--clear-groups"] if user == STRANGER else ["--groups", str(GROUP)]
        become = ["setpriv", "--reuid", str(user), "--regid", str(user), *groups, "--inh-caps", READ, "--ambient-caps", READ]
        done = subprocess.run(
            [*become, sys.executable, "-m", "pipeline", *arguments],
            cwd=place / "checkout",
            env=house.environment | {"KDPIPE_STORE": str(place / "store"), "HOME": "/"},
            umask=umask,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"kdpipe {' '.join(arguments)} as {user}:\n{done.stdout}{done.stderr}"
        return done

    return run


def test_a_second_user_looks_goes_on_collects_and_checks(kdpipe: Command, place: Path) -> None:
    kdpipe(FIRST, "run", "sample")
    assert "world: running" not in kdpipe(SECOND, "run", "report").stderr
    kdpipe(SECOND, "run", "report", "--set", "world.videos=5")
    kdpipe(FIRST, "run", "report", "--set", "world.videos=6")  # rows, refs, memories and timings of both are written further
    kdpipe(FIRST, "pin", "report", "--as", "ours", "--set", "world.videos=6")
    kdpipe(SECOND, "unpin", "ours")
    assert " 0 damaged" in kdpipe(SECOND, "fsck", "--all").stdout
    kdpipe(SECOND, "gc", "--yes", "--grace", "0", "--keep", "1")
    assert "nothing to run" in kdpipe(FIRST, "plan", "--set", "world.videos=6").stdout


def test_all_but_what_is_never_written_again_can_be_written_by_the_group(kdpipe: Command, place: Path) -> None:
    kdpipe(FIRST, "run", "sample")
    kdpipe(FIRST, "run", "sample", "--set", "sample.max_lost=nonsense", code=1)
    for path in (place / "store").rglob("*"):
        mode, group = path.stat().st_mode, path.stat().st_gid
        sealed = path.is_file() and path.relative_to(place / "store").parts[0] in ("objects", "actions")
        assert group == GROUP, path
        assert bool(mode & 0o020) != sealed, f"{path} {mode:o}"


def test_what_the_killed_run_of_one_user_left_is_taken_over_and_swept_by_another(kdpipe: Command, place: Path, house) -> None:
    house.environment["KDPIPE_FAULT"] = "kill:1@chmod"  # the result is about to be published
    kdpipe(FIRST, "run", "sample", code=-9)
    del house.environment["KDPIPE_FAULT"]
    rooms = [place / "store" / room for room in ("locks", "scratch", "tmp")]
    left = {path for room in rooms for path in room.iterdir()}
    assert len(left) >= len(rooms)
    kdpipe(SECOND, "run", "sample")
    assert not {path for room in rooms for path in room.iterdir()} & left - {place / "store" / "locks" / "gc"}


def test_who_may_only_read_can_look(kdpipe: Command, place: Path) -> None:
    kdpipe(FIRST, "run", "report")
    shutil.rmtree(place / "store" / "memo")  # so that each look would like to remember
    before = {path: path.stat().st_mtime_ns for path in (place / "store").rglob("*")}
    for verb in ("status", "plan", "report", "show report", "ls", "why student"):
        kdpipe(STRANGER, *verb.split())
        assert {path: path.stat().st_mtime_ns for path in (place / "store").rglob("*")} == before, verb


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_umask_of_one_user_does_not_keep_the_others_from_going_on(kdpipe: Command, place: Path, umask: int) -> None:
    (place / "store" / "worked.log").touch()  # the toy stage's own, which kdpipe knows nothing of
    (place / "store" / "worked.log").chmod(0o666)
    kdpipe(FIRST, "run", "index", umask=umask)
    kdpipe(FIRST, "fill", "sample", "--shard", "1/2", umask=umask)
    kdpipe(SECOND, "fill", "sample", "--shard", "2/2", umask=umask)
    kdpipe(FIRST, "run", "report", umask=umask)
    kdpipe(SECOND, "run", "report", "--set", "world.videos=5", umask=umask)
    assert " 0 damaged" in kdpipe(FIRST, "fsck", "--all", umask=umask).stdout
    kdpipe(SECOND, "gc", "--yes", "--grace", "0", "--keep", "1", umask=umask)
    assert not [path for path in (place / "store").rglob("*") if path.is_dir() and not path.stat().st_mode & 0o020]


def test_without_the_umask_the_error_names_the_file_and_what_to_do(kdpipe: Command, place: Path) -> None:
    (place / "store").chmod(0o775)
    kdpipe(FIRST, "run", "world", umask=0o022)
    told = kdpipe(SECOND, "run", "index", code=1).stderr
    assert str(place / "store") in told and "umask 002" in told
