"""A key speaks of the text of a module: so does what runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cache.errors import StoreError
from cache.fingerprint import Fingerprint

PROJECT = Path(__file__).resolve().parents[2]


def run(tree: Path, *, judged: bool = True, preload: bool = False, code: int = 0) -> str:
    """What module ``models.net`` says in a fresh process that keeps bytecode, after its fingerprint was taken."""
    program = "from pathlib import Path\nfrom cache.fingerprint import Fingerprint\n"
    program += "import models.net\n" if preload else ""
    program += "Fingerprint(Path.cwd()).closure('models.net')\n" if judged else ""
    program += "import models.net\nprint(models.net.SCALE)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"PYTHONPATH": f"{tree}:{PROJECT}"}
    done = subprocess.run([sys.executable, "-c", program], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout.strip() if not code else done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A module, and bytecode of it that holds an older text with the same size and time."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/__init__.py").write_text("")
    path = tmp_path / "models/net.py"
    path.write_text("SCALE = 4\n")
    assert run(tmp_path) == "4"
    stat = path.stat()
    path.write_text("SCALE = 5\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return tmp_path


def bytecode(tree: Path) -> list[Path]:
    return list((tree / "models/__pycache__").glob("net.*.pyc"))


def test_python_by_itself_runs_the_older_text(tree: Path) -> None:
    assert run(tree, judged=False) == "4"


def test_after_a_fingerprint_the_text_itself_runs(tree: Path) -> None:
    assert run(tree) == "5"
    assert run(tree, judged=False) == "5"


def test_a_process_that_has_run_the_older_text_is_stopped(tree: Path) -> None:
    assert "models.net was loaded from the bytecode of an older text" in run(tree, preload=True, code=1)
    assert run(tree, preload=True) == "5"


def test_bytecode_of_the_same_program_stays(tree: Path) -> None:
    (tree / "models/net.py").write_text("SCALE = 6\n")
    assert run(tree) == "6"
    (kept,) = bytecode(tree)
    before = kept.stat().st_mtime_ns
    assert run(tree) == "6"
    assert kept.stat().st_mtime_ns == before


def test_a_young_text_is_looked_at_even_if_it_is_remembered(tree: Path) -> None:
    memo = tree / "memo.json"
    first = Fingerprint(tree, memo)
    (kept,) = bytecode(tree)
    old = kept.read_bytes()
    first.closure("models.net")
    first.save()
    assert not kept.exists()
    kept.write_bytes(old)  # as if the older text had come, run and gone within the second
    modified = (tree / "models/net.py").stat().st_mtime_ns
    os.utime(kept, ns=(modified, modified))
    Fingerprint(tree, memo).closure("models.net")
    assert not kept.exists()


def test_who_reads_the_tree_anew_looks_at_all_bytecode_and_parses_no_text_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Fingerprint(tree)
    (kept,) = bytecode(tree)
    old = kept.read_bytes()
    code = first.closure("models.net")
    kept.write_bytes(old)
    later = (tree / "models/net.py").stat().st_mtime_ns + 10**10  # no young text
    os.utime(kept, ns=(later, later))
    monkeypatch.delattr(Fingerprint, "_parse")
    assert first.anew().closure("models.net") == code
    assert not kept.exists()


def test_what_nobody_touched_since_it_was_looked_at_is_not_compared_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tree) == "5"
    (kept,) = bytecode(tree)
    settle(kept, 10)
    first = Fingerprint(tree)
    first.closure("models.net")
    monkeypatch.setattr("cache.fingerprint.drop_stale", None)
    assert first.anew().closure("models.net") == first.closure("models.net")
    settle(kept, 20)  # it was touched
    with pytest.raises(TypeError):
        first.anew().closure("models.net")


def test_bytecode_that_is_older_than_a_copy_which_kept_its_time_is_compared(tree: Path) -> None:
    """The text that is remembered comes back with its old time, after another of the same size and time has run."""
    path, memo = tree / "models/net.py", tree / "memo.json"
    settle(path, -3600)
    assert run(tree) == "5"
    old, stat = path.read_text(), path.stat()
    first = Fingerprint(tree, memo)
    first.closure("models.net")
    first.save()
    for text in ("SCALE = 7\n", old):
        path.write_text(text)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        if text != old:
            bytecode(tree)[0].unlink()
            assert run(tree, judged=False) == "7"
            settle(*bytecode(tree), -60)
    later = Fingerprint(tree, memo)
    later.closure("models.net")
    assert run(tree, judged=False) == "7"
    later.anew().closure("models.net")
    assert run(tree, judged=False) == "5"


def settle(path: Path, seconds: float) -> None:
    """Have a file written some time from now."""
    moment = time.time_ns() + int(seconds * 1e9)
    os.utime(path, ns=(moment, moment))


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 40])
def test_damaged_bytecode_is_pythons_business(tree: Path, damage: bytes) -> None:
    (kept,) = bytecode(tree)
    kept.write_bytes(damage)
    Fingerprint(tree).closure("models.net")
    assert kept.read_bytes() == damage


def test_bytecode_that_cannot_be_removed_is_an_error(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreError, match="cannot be removed: Permission denied"):
        Fingerprint(tree).closure("models.net")
