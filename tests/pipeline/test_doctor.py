"""``kdpipe doctor``: real files, broken ones among them; what is lost is counted, named, and ends with 1."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline import environment
from pipeline.cli import bench, cli
from tests.media.zoo import cut, silence, write

PROJECT = Path(__file__).resolve().parents[2]
#: The published networks need weights that are not shipped.
RANDOM = ("--set", "extract.appearance.weights=random", "--set", "extract.motion.weights=random")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("KDPIPE_")] + ["DATA_ROOT"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KDPIPE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten whole videos, two of them equal."""
    root = tmp_path / "videos"
    root.mkdir()
    for number in range(9):
        write(root / f"v{number}.avi", range(number, number + 12), codec="mpeg4")
    shutil.copy(root / "v3.avi", root / "copy.avi")
    return root


def doctor(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(cli, ["doctor", *map(str, arguments)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def answer(*arguments: object, code: int = 0) -> Any:
    return json.loads(doctor(*arguments, *RANDOM, "--json", code=code))


def scanned(root: Path) -> tuple[object, ...]:
    return "--dataset", "folder", "--data-root", root, "--workers", 2


def test_the_machine_is_checked_without_a_dataset_and_nothing_is_left(store: Path) -> None:
    found = {check["what"]: check for check in json.loads(doctor("--json"))["checks"]}
    assert {"python", "torch", "av", "h5py", "device", "store", "writing", "open files", "KDPIPE_STORE"} <= set(found)
    assert found["writing"]["state"] == "ok" and found["extract.appearance.weights"]["state"] == "ok"
    assert not store.exists() and list(store.parent.iterdir()) == []


def test_a_machine_without_a_c_compiler_is_told_what_it_misses(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    found = {check["what"]: check for check in json.loads(doctor("--json"))["checks"]}
    assert found["C compiler"]["state"] == "note" and "3x3" in found["C compiler"]["text"]
    monkeypatch.setenv("CC", f"{sys.executable} -x")
    found = {check["what"]: check for check in json.loads(doctor("--json"))["checks"]}
    assert found["C compiler"]["text"] == f"{sys.executable} -x"


def test_looking_at_the_machine_imports_neither_torch_nor_a_decoder(store: Path) -> None:
    look = "atexit.register(lambda: print('heavy:', [name for name in ('torch', 'av') if name in sys.modules]))"
    watch = f"import atexit, sys\n{look}\nfrom pipeline.cli import cli\ncli.main(['doctor'])"
    done = subprocess.run([sys.executable, "-c", watch], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert "heavy: []" in done.stdout, done.stdout + done.stderr


def test_whole_videos_are_counted_and_duplicates_named(store: Path, folder: Path) -> None:
    found = answer(*scanned(folder))
    assert found["counts"] == {"ok": 10} and found["problems"] == []
    assert found["duplicates"] == [["copy", "v3"]]
    assert found["kinds"]["codec"] == {"mpeg4": 10} and found["kinds"]["size of pictures"] == {"64x48": 10}
    assert [row["id"] for row in found["files"]] == ["copy", *(f"v{n}" for n in range(9))]
    assert {row["header"] for row in found["files"]} == {12} and {row["count"] for row in found["files"]} == {None}


def test_decoding_counts_frames_and_finds_what_a_header_hides(store: Path, folder: Path) -> None:
    cut(folder / "v0.avi", 0.6, numbers=range(100), codec="mpeg4")
    assert answer(*scanned(folder))["counts"] == {"ok": 10}
    found = answer(*scanned(folder), "--decode")
    assert found["counts"] == {"ok": 9, "damaged": 1}
    assert {row["count"] for row in found["files"] if row["state"] == "ok"} == {12}


def test_losses_past_the_tolerance_end_with_one_and_name_the_first(store: Path, folder: Path) -> None:
    (folder / "v1.avi").write_bytes(b"")
    silence(folder / "v2.mp4")
    found = answer(*scanned(folder), code=1)
    assert found["counts"] == {"ok": 9, "empty": 1, "no_video": 1}
    assert "2 of 11 videos" in found["problems"][0] and "sample.max_lost" in found["problems"][0]
    said = doctor(*scanned(folder), *RANDOM, code=1)
    assert "v1: the file has no bytes" in said and "v2.mp4: no video stream" in said and "kdpipe doctor --dataset folder" in said


def test_the_tolerance_that_is_named_is_enough_and_nothing_else_is_said_to_be(store: Path, folder: Path) -> None:
    for number in range(4):
        (folder / f"v{number}.avi").write_bytes(b"")
    said = doctor(*scanned(folder), *RANDOM, code=1)
    [named] = re.findall(r"to go on without the lost videos: --set (\S+)", said)
    assert answer(*scanned(folder), "--set", named)["problems"] == []
    absent = ("--set", "extract.motion.weights_file=/nowhere.pth", "--set", named)
    assert "to go on without" not in doctor(*scanned(folder), *absent, code=1)
    for path in folder.iterdir():
        path.write_bytes(b"")
    assert "to go on without" not in doctor(*scanned(folder), *RANDOM, code=1)


def test_sounds_are_looked_at_as_sounds_and_need_no_weights(store: Path, tmp_path: Path) -> None:
    root = tmp_path / "esc"
    for folder in ("audio", "meta"):
        (root / folder).mkdir(parents=True)
    for number in range(2):
        silence(root / "audio" / f"{number}.wav")
    write(root / "2.mp4").rename(root / "audio" / "2.wav")  # pictures alone, whatever its name
    rows = "".join(f"{number}.wav,1,0,dog\n" for number in range(4))
    (root / "meta" / "esc50.csv").write_text(f"filename,fold,target,category\n{rows}")
    found = json.loads(doctor("--dataset", "esc50", "--data-root", root, "--workers", 2, "--json", code=1))
    assert found["counts"] == {"ok": 2, "no_audio": 1, "missing": 1}
    assert found["kinds"]["audio"] == {"aac": 2} and found["kinds"]["codec"] == {} and not any("weights" in p for p in found["problems"])
    said = doctor("--dataset", "esc50", "--data-root", root, "--workers", 2, code=1)
    assert "esc50: 4 sounds" in said and "1 of 4 sounds (25.0%) are missing" in said and "2: no sound stream, only video" in said


def test_annotated_videos_without_a_file_are_missing(store: Path, tmp_path: Path) -> None:
    root = tmp_path / "msrvtt"
    (root / "TrainValVideo").mkdir(parents=True)
    for number in (1, 7):
        write(root / "TrainValVideo" / f"video{number}.mp4")
    for split, ids in {"train": [1, 2], "val": [], "test": []}.items():
        rows = [{"id": id, "video_id": id, "question": "what?", "answer": "dog"} for id in ids]
        (root / f"{split}_qa.json").write_text(json.dumps(rows))
    found = answer("--dataset", "msrvtt", "--data-root", root, code=1)
    assert (found["counts"], found["unused"]) == ({"missing": 1, "ok": 1}, ["TrainValVideo/video7.mp4"])
    assert "1 of 2 videos (50.0%) are missing; index.max_lost" in found["problems"][0]


def test_a_file_that_takes_too_long_stops_nothing(store: Path, tmp_path: Path) -> None:
    root = tmp_path / "slow"
    root.mkdir()
    write(root / "long.avi", [n % 256 for n in range(3000)], codec="mpeg4", size=(320, 240))
    found = answer(*scanned(root), "--decode", "--timeout", "0.05", code=1)
    assert found["counts"] == {"timed_out": 1}


def test_weights_that_are_absent_or_not_the_published_ones_are_named(store: Path, tmp_path: Path) -> None:
    said = doctor("--set", "extract.appearance.weights=file", code=1)
    assert "weights=file names no file" in said and "extract.appearance.weights_file=PATH" in said
    wrong = tmp_path / "resnet101-63fe2227.pth"
    wrong.write_bytes(b"not it")
    published = ("--set", "extract.appearance.backbone=resnet101", "--set", "extract.appearance.weights=imagenet1k_v1")
    assert "resnet101.imagenet1k_v1 is not shipped" in doctor(*published, code=1)
    said = doctor(*published, "--set", f"extract.appearance.weights_file={wrong}", code=1)
    assert "its sha256 begins with" in said
    assert "is not there" in doctor(*published, "--set", f"extract.appearance.weights_file={wrong}x", code=1)


def test_a_store_that_cannot_be_written_is_a_problem(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(environment.fcntl, "flock", refuse)
    said = doctor(code=1)
    assert "cannot flock" in said and "KDPIPE_STORE=" in said


def test_a_data_root_that_is_not_there_is_named(store: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["doctor", "--dataset", "folder", "--data-root", str(tmp_path / "none"), *RANDOM])
    assert done.exit_code != 0 and "is not a directory" in str(done.exception)


def test_the_bench_measures_every_runtime_and_says_what_to_type(store: Path) -> None:
    settings = [f"--set=extract.{kind}.{name}" for kind, name in (("appearance", "backbone=small2d"), ("motion", "backbone=small3d"))]
    found = json.loads(doctor("--system", "videoqa", "--bench", "--workers", 2, *RANDOM, *settings, "--json"))["bench"]
    assert [speed["node"] for speed in found] == ["extract.appearance", "extract.motion"]
    for speed in found:
        ways = {(way["runtime"], way["precision"]): way for way in speed["ways"]}
        assert {(way, "float32") for way in ("plain", "eager", "winograd", "compile", "openvino")} <= set(ways)
        for way in ways.values():
            assert way["refused"] or way["rate"] > 0
            assert way["error"] < {"float32": 1e-4, "bfloat16": 5e-2, "int8": 2e-1}[way["precision"]]
        assert ("openvino", "int8") in ways and ("eager", "bfloat16") in ways
        assert ways["plain", "float32"]["error"] == 0 and not ways["eager", "float32"]["refused"]
        assert set(speed["resize"]) == {"pil", "torch"} and min(speed["resize"].values()) > 0


def test_advice_is_for_full_precision_and_for_more_than_noise() -> None:
    def way(runtime: str, rate: float, precision: str = "float32", refused: str = "") -> dict[str, Any]:
        return {"runtime": runtime, "precision": precision, "rate": rate, "error": 0.0, "refused": refused}

    ways = [way("plain", 10), way("eager", 20), way("compile", 21), way("eager", 90, "bfloat16")]
    assert "the default" in bench.advice("extract.motion", ways)
    assert "--set extract.motion.runtime=openvino" in bench.advice("extract.motion", [*ways, way("openvino", 30)])
    assert "the default" in bench.advice("extract.motion", [*ways, way("openvino", 0, refused="not installed")])


def test_less_precision_is_offered_where_it_pays_and_says_what_it_costs() -> None:
    def way(runtime: str, rate: float, precision: str = "float32", error: float = 0.0, refused: str = "") -> dict[str, Any]:
        return {"runtime": runtime, "precision": precision, "rate": rate, "error": error, "refused": refused}

    ways = [
        way("plain", 100),
        way("eager", 20),
        way("winograd", 30),
        way("eager", 32, "bfloat16", 3e-3),
        way("eager", 0, "int8", refused="no"),
    ]
    assert list(bench.cheaper("extract.motion", ways)) == []
    ways += [way("openvino", 60, "bfloat16", 2e-3), way("openvino", 120, "int8", 1e-2)]
    first, second = bench.cheaper("extract.motion", ways)
    assert first.startswith("2.0 times as fast, features off by 2e-03") and second.startswith("4.0 times as fast, features off by 1e-02")
    assert first.endswith("--set extract.motion.runtime=openvino --set extract.motion.precision=bfloat16")
    assert second.endswith("--set extract.motion.runtime=openvino --set extract.motion.precision=int8")
