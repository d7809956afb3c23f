"""What reruns and what does not, as commands."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cache import fs
from cache.errors import StoreError
from cache.store import Store
from pipeline.runner import _point
from tests.cache.conftest import make_key, publish

ALL = [
    "evaluate.s0", "evaluate.s1", "extract.appearance", "extract.motion", "index", "questions", "report", "sample",
    "student.alone.s0", "student.alone.s1", "student.kd.s0", "student.kd.s1", "teacher.s0", "teacher.s1", "world",
]  # fmt: skip
TRAINED = [name for name in ALL if name.split(".")[0] in ("teacher", "student", "evaluate", "report")]


def test_everything_runs_once(house) -> None:
    assert house.computed() == ALL
    assert house.computed() == []
    assert set(house.status().values()) == {"fresh"}


def test_touching_every_file_reruns_nothing(house) -> None:
    house.finish()
    for path in house.root.rglob("*"):
        if path.is_file():
            path.touch()
    assert house.computed() == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("models/net.py", "# one number", "# a number\n    # on two lines"),
        ("models/net.py", "len(text) * WIDTH", "len(\n        text\n    ) * WIDTH"),
        ("systems/videoqa/train.py", "def run(ctx):", 'def run(ctx: "Context") -> None:\n    """Train."""'),
        ("pipeline/progress.py", "now - self._last < 1.0", "now - self._last < 2.0"),
    ],
)
def test_a_cosmetic_edit_reruns_nothing(house, name: str, old: str, new: str) -> None:
    house.finish()
    house.edit(name, old, new)
    assert house.computed() == []


def test_a_constant_in_a_helper_of_extract_reruns_extract_and_what_follows(house) -> None:
    house.finish()
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    assert house.computed() == sorted([*TRAINED, "extract.appearance", "extract.motion"])


def test_a_student_weight_reruns_student_evaluate_report(house) -> None:
    house.finish()
    house.edit("configs/systems/videoqa.world.yaml", "kd_alpha: 0.5", "kd_alpha: 0.7")
    assert house.computed() == ["evaluate.s0", "evaluate.s1", "report", "student.kd.s0", "student.kd.s1"]


def test_going_back_to_old_settings_computes_nothing(house) -> None:
    house.finish()
    house.computed("report", "--set", "student.kd_alpha=2")
    assert house.computed() == []


def test_equal_bytes_stop_a_rerun(house) -> None:
    house.finish()
    house.edit("models/net.py", "str(len(text) * WIDTH)", "str(WIDTH * len(text))")
    assert house.computed() == ["extract.appearance", "extract.motion"]


def test_one_more_seed_trains_one_more(house) -> None:
    house.finish()
    assert house.computed("report", "--seeds", "3") == ["evaluate.s2", "report", "student.alone.s2", "student.kd.s2", "teacher.s2"]


def test_a_stage_runs_alone_once_its_inputs_are_there(house) -> None:
    error = house.run("distill", "--stage", "student", code=1).stderr
    assert "reads questions, which is missing" in error
    assert "kdpipe run questions --dataset world --system videoqa" in error
    house.computed()
    house.edit("systems/videoqa/train.py", "repr(ctx.params)", "str(ctx.params)")
    assert "student.alone.s0: done" in house.run("distill", "--stage", "student", "--no-kd").stderr


def test_stale_inputs_are_an_error_unless_allowed_and_then_recorded(house) -> None:
    house.finish()
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    assert "stale" in house.run("distill", "--stage", "teacher", code=1).stderr
    house.edit("systems/videoqa/train.py", "repr(ctx.params)", "repr(ctx.params) + 'x'")
    house.run("distill", "--stage", "teacher", "--allow-stale")
    record = json.loads(house.run("show", "teacher.s0", "--json").stdout)
    assert record["stale_inputs"] == ["extract.appearance", "extract.motion"]


def test_an_external_file_is_keyed_by_content_not_by_name(house) -> None:
    glove = house.root / "glove.txt"
    glove.write_text("a 1")
    assert "questions" in house.computed("questions", "--set", f"questions.glove_file={glove}")
    glove.write_text("a 2")
    assert house.computed("questions", "--set", f"questions.glove_file={glove}") == ["questions"]
    missing = house.run("run", "questions", "--set", "questions.glove_file=nowhere.txt", code=1).stderr
    assert "nowhere.txt: there is no such file" in missing


def test_adding_removing_and_replacing_videos_computes_only_the_new_ones(house, videos) -> None:
    house.computed("sample", "--dataset", "files")
    assert house.worked() == ["a.txt", "b.txt", "c.txt"]
    (videos / "d.txt").write_text("video d")
    house.computed("sample", "--dataset", "files")
    assert house.worked()[3:] == ["d.txt"]
    (videos / "a.txt").unlink()
    (videos / "b.txt").write_text("another video b")
    house.computed("sample", "--dataset", "files")
    assert house.worked()[4:] == ["b.txt"]


def test_losses_past_the_tolerance_fail_and_are_listed(house, videos) -> None:
    (videos / "d.txt").write_text("broken")
    error = house.run("run", "sample", "--dataset", "files", code=1).stderr
    assert "lost 1 of 4 items" in error and "d.txt: empty" in error and "kdpipe show sample --ledger" in error
    assert house.status("--dataset", "files")["sample"] == "failed"
    assert "d.txt  empty" in house.run("show", "sample", "--ledger", "--dataset", "files").stdout
    assert house.computed("sample", "--dataset", "files", "--set", "sample.max_lost=0.25") == ["sample"]


def test_a_source_changed_during_the_run_is_not_published(house, videos) -> None:
    run = house.start("run", "index", "--dataset", "files")
    run.wait(60)
    house.edit("stages/index/run.py", "def run(ctx):", "def run(ctx):\n    (ctx.root / 'a.txt').write_text('changed meanwhile')")
    error = house.run("run", "index", "--dataset", "files", code=1).stderr
    assert "a.txt was changed while index was reading it" in error


def test_an_external_file_changed_during_the_run_is_not_published(house) -> None:
    glove = house.root / "glove.txt"
    glove.write_text("a 1")
    house.edit("stages/questions/run.py", "def run(ctx):", "def run(ctx):\n    ctx.files['glove_file'].write_text('a 2')")
    error = house.run("run", "questions", "--set", f"questions.glove_file={glove}", code=1).stderr
    assert "glove_file was changed while questions was reading it" in error


def test_a_stage_that_breaks_is_shown_as_failed_until_it_works(house) -> None:
    house.edit("stages/questions/run.py", "def run(ctx):", "def run(ctx):\n    {}['nowhere']")
    assert "internal error: KeyError" in house.run("run", "questions", code=70).stderr
    assert house.status()["questions"] == "failed"
    assert "KeyError: 'nowhere'" in house.run("status").stdout
    house.edit("stages/questions/run.py", "{}['nowhere']", "{}.get('nowhere')")
    house.run("run", "questions")
    assert house.status()["questions"] == "fresh"


def test_a_missing_data_root_is_an_error_with_the_command(house) -> None:
    error = house.run("run", "index", "--dataset", "files", code=1).stderr
    assert "DATA_ROOT is not set" in error


def test_two_runs_at_once_do_the_work_once(house) -> None:
    house.computed("index")
    both = [house.start("run", "sample", "--set", "sample.pause=0.2") for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(house.worked()) == 4
    assert sum("sample: done in" in output for output in outputs) == 1


@pytest.mark.long
def test_kills_at_random_moments_lose_nothing(house) -> None:
    clean = house.run("run", "report") and (house.run("report").stdout)
    results = {row["node"]: row["key"] for row in json.loads(house.run("status", "--json").stdout)}
    house.environment["KDPIPE_STORE"] = str(house.root / "killed")
    dice = random.Random(0)
    for _ in range(12):
        process = house.start("run", "report", "--set", "sample.pause=0.05")
        time.sleep(dice.uniform(0.1, 1.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    house.run("run", "report")
    assert house.run("report").stdout == clean
    assert {row["node"]: row["key"] for row in json.loads(house.run("status", "--json").stdout)} == results
    worked = (house.root / "killed" / "worked.log").read_text().split()
    assert len(worked) <= 4 + 12  # at most the row at work is lost to each kill


def test_make_runs_the_plan_in_parallel_and_then_nothing(house) -> None:
    house.make(house.rules("report"), "-j4")
    assert house.run("plan", "report", "--make").stdout == ""
    assert set(house.status().values()) == {"fresh"}


def test_the_same_bits_whatever_runs_beside_what(house) -> None:
    """One job or eight, one worker or four, in order or each node by itself, in forks or not: the same keys and objects."""

    def results(name: str) -> dict[str, tuple[str, str]]:
        store = Store(house.root / name)
        return {path.name: (key, record.object) for path, key in store.refs() if (record := store.record(key))}

    house.environment["KDPIPE_STORE"] = str(house.root / "serial")
    house.make(house.run("plan", "report", "--make").stdout, "-j1")
    house.environment["KDPIPE_STORE"] = str(house.root / "parallel")
    house.make(house.rules("report"), "-j8")
    house.environment["KDPIPE_STORE"] = str(house.root / "workers")
    house.run("run", "report", "--workers", "4")
    assert sorted(results("serial")) == ALL
    assert results("parallel") == results("workers") == results("serial")


def test_two_makes_at_once_share_the_work(house) -> None:
    rules = house.rules("report", "--set", "sample.pause=0.3")
    command = {"cwd": house.root, "env": house.environment, "stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(["make", "-j2", "-f", "-"], **command) for _ in range(2)]
    for process in both:
        process.stdin.write(rules)
        process.stdin.close()
    said = [process.stderr.read() for process in both]
    assert [process.wait(60) for process in both] == [0, 0], said
    done = [line.split(":")[0] for text in said for line in text.splitlines() if ": done in" in line]
    assert sorted(done) == ALL
    assert any("is computing the same result; waiting for it" in text for text in said)
    assert len(house.worked()) == 4


def test_make_stops_at_equal_bytes(house) -> None:
    house.finish()
    house.edit("models/net.py", "str(len(text) * WIDTH)", "str(WIDTH * len(text))")
    done = house.make(house.rules("report"))
    computed = [line.split(":")[0] for line in done.stderr.splitlines() if ": done in" in line]
    assert sorted(computed) == ["extract.appearance", "extract.motion"]


def test_light_verbs_import_nothing_heavy(house) -> None:
    house.finish()
    probe = "import sys; sys.argv = ['kdpipe', {!r}]\ntry:\n    from pipeline.cli import main; main()\nexcept SystemExit: pass\n"
    probe += "heavy = {{'torch', 'av', 'h5py', 'pandas', 'numpy.linalg', 'matplotlib'}} & set(sys.modules); assert not heavy, heavy"
    for verb in ("status", "plan"):
        code = probe.format(verb)
        import sys

        done = subprocess.run([sys.executable, "-c", code], cwd=house.root, env=house.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_results_do_not_depend_on_where_the_store_is(house, tmp_path: Path) -> None:
    house.finish()
    first = json.loads(house.run("show", "report", "--json").stdout)
    house.environment["KDPIPE_STORE"] = str(tmp_path / "elsewhere")
    house.computed()
    second = json.loads(house.run("show", "report", "--json").stdout)
    assert (first["object"], first["key"]) == (second["object"], second["key"])
    assert os.path.commonpath([second["files"], str(tmp_path / "elsewhere")]) == str(tmp_path / "elsewhere")


def test_a_hint_of_a_stage_names_the_key_that_exists(house) -> None:
    raising = "from cache.errors import DataError\n\ndef run(ctx):\n    raise DataError('it diverged', hint='--set {section}.lr=...')\n"
    (house.root / "systems/videoqa/train.py").write_text(raising)
    assert "--set teacher.lr=..." in house.run("run", "teacher.s0", code=1).stderr


def test_a_ref_never_names_a_result_that_was_collected_in_that_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    record = publish(store, make_key(), {"a": "x"})
    real = store.set_ref

    def interrupted(*names: str) -> None:
        fs.remove_file(store.action_path(record.digest))
        real(*names)

    monkeypatch.setattr(store, "set_ref", interrupted)
    judge: Any = SimpleNamespace(store=store, dataset="other", system="s")
    with pytest.raises(StoreError, match="removed while"):
        _point(judge, "demo", record)
    assert store.ref("other", "s", "demo") is None
