"""Terminals that show little, stores that are none, homes that are not there, and another checkout than the code's."""

import io
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import paths
from pipeline.cli.surroundings import SPINS, settle

#: Stands for an account without a home directory, as a container may have.
HOMELESS = """
import os, pwd, sys
os.environ.pop("HOME", None)
def gone(uid): raise KeyError(uid)
pwd.getpwuid = gone
sys.argv = ["kdpipe", *sys.argv[1:]]
from pipeline.cli import main
try: main()
finally: import nltk
"""


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_output_is_legible_on_any_terminal(house, encoding: str) -> None:
    house.finish()
    said = '"0 \\u00b1 1 \\u2500 \\u2212 \\u4f60"'
    house.edit("stages/report/run.py", "json.dumps(parts) + chr(10)", said)
    house.edit("stages/report/run.py", '"report.txt").write_text(' + said + ")", '"report.txt").write_text(' + said + ", encoding='utf-8')")
    environment = {**house.environment, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-m", "pipeline", "report"], cwd=house.root, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    plain = encoding in ("latin-1", "cp1252")
    shown = "0 \u00b1 1 - - ?" if plain else "0 \u00b1 1 \u2500 \u2212 \u4f60"
    assert shown.encode(encoding if plain else "utf-8") in done.stdout  # click writes UTF-8 where ASCII is all that is said


@pytest.mark.parametrize("verb", [("status",), ("gc",), ("fsck",), ("unpin", "x"), ("run", "report")])
@pytest.mark.parametrize(
    ("store", "says"),
    [("file", "is not a directory"), ("file/below", "is not a directory"), ("link", "is not there"), ("link/below", "is not there")],
)
def test_a_store_that_can_be_none_is_one_clear_line(house, verb: tuple[str, ...], store: str, says: str) -> None:
    (house.root / "file").touch()
    (house.root / "link").symlink_to("/nowhere/store")
    house.environment["KDPIPE_STORE"] = store
    said = house.run(*verb, code=1).stderr
    assert f"the store {house.root / store}" in said and says in said and "KDPIPE_STORE names a directory" in said


def test_a_tilde_is_the_home_directory_wherever_a_place_is_named(house, videos: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(videos, home / "raw")
    house.environment |= {"HOME": str(home), "KDPIPE_STORE": "~/store", "DATA_ROOT": "~/raw"}
    house.run("run", "index", "--dataset", "files")
    assert (home / "store" / "objects").is_dir() and not (house.root / "~").exists()
    del house.environment["DATA_ROOT"]
    assert house.status("--dataset", "files", "--data-root", "~/raw")["index"] == "fresh"


def test_a_tilde_of_nobody_stays_as_it_is() -> None:
    assert paths.expanded("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")


def test_an_account_without_a_home_directory_will_do(house) -> None:
    for words in (("run", "index"), ("status",)):
        done = subprocess.run(
            [sys.executable, "-c", HOMELESS, *words], cwd=house.root, env=house.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("said", "spins"),
    [({}, str(SPINS)), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_threads_wait_awake_for_a_moment_only_unless_somebody_says_how(said: dict[str, str], spins: str | None, monkeypatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # what is set below is taken back
        monkeypatch.delenv(name)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    settle()
    assert os.environ.get("GOMP_SPINCOUNT") == spins


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch brings another OpenMP there")
def test_openmp_has_read_how_threads_wait() -> None:
    code = "from pipeline.cli.surroundings import settle; settle(); import torch"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))} | {
        "OMP_DISPLAY_ENV": "verbose"
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.PROJECT, env=environment, capture_output=True, text=True, timeout=120)
    assert f"GOMP_SPINCOUNT = '{SPINS}'" in done.stderr, done.stderr


def test_in_another_checkout_the_code_says_whose_it_is(house, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "pipeline" / "cli").mkdir(parents=True)
    (other / "pipeline" / "cli" / "__init__.py").touch()
    (other / "setup.cfg").touch()
    (other / "below").mkdir()
    code = f"import sys; sys.path[:1] = [{str(house.root)!r}]; from pipeline.cli import main; main()"

    def kdpipe(where: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment = {**house.environment, **environment}
        return subprocess.run([sys.executable, "-c", code, *words], cwd=where, env=environment, capture_output=True, text=True, timeout=60)

    for where in (other, other / "below"):
        done = kdpipe(where, "status", "--seeds", "2")
        assert done.returncode == 1 and f"runs the code of {house.root}" in done.stderr and f"make -C {other} setup" in done.stderr
    (other / ".venv" / "bin").mkdir(parents=True)
    (other / ".venv" / "bin" / "kdpipe").touch()
    assert f"{other}/.venv/bin/kdpipe status --seeds 2" in kdpipe(other, "status", "--seeds", "2").stderr
    assert kdpipe(other, "status", KDPIPE_CHECKOUT=str(house.root)).returncode == 0
    assert kdpipe(tmp_path, "status").returncode == 0
    assert kdpipe(tmp_path, "status", KDPIPE_CHECKOUT=str(other)).returncode == 1


def test_a_misspelt_setting_in_the_environment_is_refused(house) -> None:
    for name in ("KDPIPE_DATSET", "KDPIPE_SEED", "KDPIPE_DATA_ROOT"):
        house.environment[name] = "x"
        said = house.run("status", code=1).stderr
        assert f"{name} is set, and means nothing to kdpipe" in said and "DATA_ROOT" in said
        del house.environment[name]
    house.run("status")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_of_the_store_takes_the_place_of_a_stream_that_is_closed(house, closed: str) -> None:
    found = "; ".join(
        f"assert os.readlink('/proc/self/fd/{n}') == os.devnull" for n, sign in enumerate(["<&-", " >&-", "2>&-"]) if sign in f" {closed}"
    )
    code = f"import os, sys; from pipeline.cli import main, cli; cli.callback = lambda: exec({found!r}); main()"
    command = f"{shlex.join([sys.executable, '-c', code, 'run', 'report'])} {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=house.root, env=house.environment, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    house.run("fsck", "--all")


def test_an_answer_that_cannot_be_written_is_no_fault_of_the_store(house) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "pipeline", "status"]
        done = subprocess.run(command, cwd=house.root, env=house.environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "the answer cannot be written to standard output: No space left on device" in done.stderr
    assert "gc" not in done.stderr


def test_who_reads_only_the_beginning_of_an_answer_gets_no_traceback(house) -> None:
    house.finish()
    command = f"{shlex.join([sys.executable, '-m', 'pipeline', 'ls', '--all', '--json'])} | head -c 1"
    done = subprocess.run(["sh", "-c", command], cwd=house.root, env=house.environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("verb", [("status",), ("run", "world"), ("plan", "index", "--dataset", "files")])
@pytest.mark.parametrize("place", ["a" * 300, "a/" * 4000, "circle/x"], ids=["a name", "a path", "a circle"])
def test_a_place_that_no_file_system_takes_is_a_clear_line(house, tmp_path: Path, place: str, verb: tuple[str, ...]) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    setting = "DATA_ROOT" if "files" in verb else "KDPIPE_STORE"
    house.environment[setting] = str(tmp_path / place)
    said = house.run(*verb, code=1).stderr
    assert said.startswith("error: ") and len(said) < 700
