"""From drawn clips with sound to SVMs with the real commands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from media.encode import write_video
from tests.predict.bad_files import bad_files, only_these_fail
from tests.report.test_html import data
from tests.tiny_demo import kdpipe_for

MODALITIES = ("video", "audio", "both")

SETTINGS = ("seeds=1", "graph.variants=[full,random]", "graph.protocols=[svm,linear,finetune]", "timing.repeats=1")
kdpipe = kdpipe_for("xkd", "tinyav", *SETTINGS)


@pytest.mark.long
def test_xkd_runs_from_drawing_to_the_report_and_then_does_nothing(tmp_path: Path) -> None:
    done = kdpipe(tmp_path, "run", "report")
    assert done.returncode == 0, done.stderr
    report = kdpipe(tmp_path, "report")
    assert "val video, top-1 in %" in report.stdout and "video + audio" in report.stdout and "audio, fine-tuned" in report.stdout
    assert "XKD: reconstruction, alignment, distillation" in report.stdout and "not trained" in report.stdout
    assert kdpipe(tmp_path, "plan", "report", "--make").stdout == ""
    predict_says_of_files_what_the_evaluation_says(tmp_path)
    predict_says_which_files_it_cannot_see_or_hear(tmp_path)
    kdpipe(tmp_path, "report", "--html", str(tmp_path / "page"))
    shown, columns = (data(tmp_path / "page" / "index.html", name) for name in ("page_0", "items"))
    assert len(columns["kinds"]) == 7 and None not in (*shown["preview"], *shown["sound"])
    assert len({*shown["preview"], *shown["sound"]}) == 2 * len({about["video_id"] for about in shown["about"]})
    plan = kdpipe(tmp_path, "plan", "report", "--make", "--set", "pretrain.distil=2").stdout
    assert "pretrain.full.s0" in plan and "encode.full.s0" in plan and "pretrain.random.s0:" not in plan and "sample" not in plan
    assert kdpipe(tmp_path, "run", "report", "--set", "pretrain.size=30").returncode != 0  # before anything runs


def place(store: Path, node: str) -> Path:
    return Path(kdpipe(store, "open", node).stdout.strip())


def videos(store: Path) -> dict[str, str]:
    """File -> id of all videos that are scored."""
    world = place(store, "world")
    media = [json.loads(line) for line in (place(store, "index") / "media.jsonl").read_text().splitlines()]
    return {str(world / row["path"]): row["id"] for row in media if "val" in row["splits"]}


def predict_says_of_files_what_the_evaluation_says(store: Path) -> None:
    """Of all files that are scored, by each SVM; by heads and fine-tuned networks as often what is right as their scores say."""
    ids, annotations = videos(store), (place(store, "index") / "annotations.jsonl").read_text().splitlines()
    labels = {row["video_id"]: row["classes"][0] for row in map(json.loads, annotations)}
    names = json.loads((place(store, "index") / "dataset.json").read_text())["classes"]
    with np.load(place(store, "svm.full.s0") / "answers.npz") as file:
        theirs = {name: dict(zip(file["ids"].tolist(), [names[n] for n in file[name].tolist()], strict=True)) for name in MODALITIES}
    for modality in MODALITIES:
        said = first_answers(kdpipe(store, "predict", *ids, "--modality", modality, "--json"))
        assert {ids[name]: first for name, first in said.items()} == theirs[modality] and len(said) >= 8
    assert first_answers(kdpipe(store, "predict", *ids, "--json")) == first_answers(
        kdpipe(store, "predict", *ids, "--network", "svm.full", "--modality", "both", "--json")
    )
    for network in ("linear.video.full", "linear.audio.random", "finetune.audio.full"):
        scores = json.loads((place(store, f"{network}.s0") / "scores.json").read_text())
        said = first_answers(kdpipe(store, "predict", *ids, "--network", network, "--json"))
        right = [labels[ids[name]] == first for name, first in said.items()]
        assert len(right) == scores["files"] and sum(right) / len(right) == scores["top-1"]


def first_answers(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return {row["file"]: row["classes"][0]["name"] for row in map(json.loads, done.stdout.splitlines())}


def predict_says_which_files_it_cannot_see_or_hear(store: Path) -> None:
    """What is only heard is answered by what only listens; a video without sound by what only looks."""
    good = Path(next(iter(videos(store))))
    bad = bad_files(store.with_name("bad"), good)
    sound, mute = bad.pop("sound"), store.with_name("bad") / "mute.mp4"
    write_video(mute, np.random.default_rng(0).integers(0, 255, (30, 64, 80, 3)).astype(np.uint8), 10)
    for modality, more in (("both", [sound, mute]), ("video", [sound]), ("audio", [mute])):
        wrong = [*bad.values(), *more]
        asked = dict.fromkeys([*map(str, wrong), str(sound), str(mute), str(good)])
        only_these_fail(kdpipe(store, "predict", *asked, "--modality", modality, "--json"), wrong, good)
    folder = folder_of(sound)
    heard = first_answers(kdpipe(store, "predict", str(folder), "--modality", "audio", "--json"))
    assert list(heard) == [str(folder / sound.name)]
    told = kdpipe(store, "predict", str(good), "--network", "linear.audio.full", "--modality", "video")
    assert told.returncode == 1 and "leave --modality out" in told.stderr


def folder_of(sound: Path) -> Path:
    """A folder in which there is only this sound."""
    folder = sound.parent / "sounds"
    folder.mkdir()
    (folder / sound.name).write_bytes(sound.read_bytes())
    return folder
