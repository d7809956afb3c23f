"""``kdpipe export`` in a finished store: which network leaves, what is printed, what its answers are, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cache.store import Store
from pipeline.config import Config
from pipeline.export.network import leaving, loaded
from pipeline.graph import build
from pipeline.judge import Judge
from tests.command import PROJECT, kdpipe
from tests.export.bench import about

TINY = ("--dataset", "tiny")


@pytest.fixture
def judge(finished: Path) -> Judge:
    """A judge of the finished store."""
    return Judge(Store(finished), build(Config("tiny", "videoqa")), device="cpu", looking=True)


def test_help_and_declarations_import_nothing_heavy() -> None:
    probe = "import sys; sys.argv = ['kdpipe', 'export', '--help']\nfrom pipeline.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    probe += "import systems.videoqa.export, systems.fewerframes.export, systems.litemkd.export, systems.gkd.export, systems.xkd.export\n"
    probe += "heavy = {'torch', 'onnx', 'onnxruntime', 'h5py', 'av'} & set(sys.modules); assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", probe], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "--int8" in done.stdout, done.stderr


@pytest.mark.long
def test_the_exported_student_gives_the_answers_of_the_evaluation(finished: Path, judge: Judge, tmp_path: Path) -> None:
    """Of every question of the test split; what is printed as JSON is what stands in the folder, and the store stays as it is."""
    from pipeline.export import onnx_file

    def there() -> set[str]:
        return {str(path) for path in finished.rglob("*") if "memo" not in path.parts}

    before = there()
    done = kdpipe(finished, "export", "--out", str(tmp_path / "out"), "--int8", "--json", *TINY)
    told, said = json.loads(done.stdout), about(tmp_path / "out")
    assert there() == before and told["network"] == "student.kd.s0" and told["key"] == said["key"]
    assert told["max_relative_difference"] == said["parity"]["max_relative_difference"] < 1e-5
    network = loaded(judge, leaving(judge, ""))
    accuracy = network.measure.of(onnx_file.run(tmp_path / "out" / "model.onnx", network.outputs))
    record = judge.state("evaluate.s0").record
    assert record is not None
    (row,) = [row for row in read_rows(judge.store.files(record)) if row["name"] == "student.kd"]
    assert accuracy == pytest.approx(row["scores"]["all"]["value"]) == pytest.approx(said["test"]["model.onnx"])
    assert 0 <= said["test"]["model.int8.onnx"] <= 1
    assert (tmp_path / "out" / "model.int8.onnx").stat().st_size < (tmp_path / "out" / "model.onnx").stat().st_size


def read_rows(evaluation: Path) -> list[dict[str, object]]:
    """The networks of an evaluation."""
    found: list[dict[str, object]] = json.loads((evaluation / "evaluation.json").read_text())["networks"]
    return found


@pytest.mark.long
def test_a_node_a_pin_and_a_key_name_the_network(judge: Judge) -> None:
    teacher = judge.state("teacher.s1").record
    assert teacher is not None
    assert leaving(judge, "teacher.s1").record == leaving(judge, teacher.digest[:12]).record == teacher
    assert leaving(judge, "student.alone").name == "student.alone.s0"
    assert leaving(judge, "evaluate.s1").name == "student.kd.s1"


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("teecher",), "did you mean 'teacher.s1'?"),
        (("--seed", "7"), "student.kd.s7 was never made"),
        (("index",), "is no trained network of videoqa"),
        (("--int8", "--format", "torchscript"), "--int8 is for onnx"),
        (("--out", str(PROJECT)), "is not empty"),
    ],
)
def test_what_cannot_be_exported_is_said(finished: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = kdpipe(finished, "export", "--out", str(tmp_path / "out"), *TINY, *words, code=1)
    assert told in done.stderr, done.stderr
    assert not (tmp_path / "out").exists()
