"""Files of the few-frames system: YouTube-8M records, published checkpoints, and the way from records to a submission file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from formats.tfrecord import RecordError, read_records
from formats.youtube8m import Video, parse_frames, parse_means
from models.tensorflow_checkpoint import read_checkpoint
from systems.fewerframes import frames
from systems.fewerframes.arithmetic import Normalisation
from systems.fewerframes.losses import Target, Term, cross_entropy
from systems.fewerframes.metrics import Metrics
from systems.fewerframes.nextvlad import NeXtVLAD
from systems.fewerframes.published import state_name
from systems.fewerframes.submission import document
from tests.parity.case import Case, Mismatch, handles
from tests.parity.fewerframes import arguments, filled, whitening
from tests.parity.fill import fill

SHARDS = ("train0093.tfrecord", "validate0001.tfrecord", "train3749.tfrecord")
DAMAGES = {"damaged_data": ("data_crc", 12), "damaged_length_crc": ("length_crc", 0), "truncated": ("truncated", 0)}
"""damaged file -> kind of its damage, and how far behind the record's begin TensorFlow says it is."""


def videos(folder: Path, names: Sequence[str] = SHARDS) -> list[Video]:
    return [parse_frames(record.data) for name in names for record in read_records(folder / name)]


def grid(video: Video, size: int = frames.GRID) -> tuple[np.ndarray, int]:
    """uint8 (size, D), rgb and audio side by side, cut or filled up with zeros; and the number of real frames."""
    codes = np.concatenate([video.rgb, video.audio], axis=1)[:size]
    return np.pad(codes, ((0, size - len(codes)), (0, 0))), len(codes)


@handles("tfrecord_frame_level*")
def records(case: Case) -> dict[str, Any]:
    """Every record of every good file, the network input of two of them, and where the damaged files fail."""
    folder = case.directory / "tfrecord"
    read = videos(folder)
    got: dict[str, Any] = {"ids": np.array([v.id for v in read]), "num_frames": np.array([len(v.rgb) for v in read])}
    for number, video in enumerate(read):
        got |= {f"rgb_{number}": video.rgb, f"audio_{number}": video.audio, f"labels_{number}": video.labels}
        some = [row for row in (0, 1, 299, 300, 301) if row < len(video.rgb)]
        got |= {f"{name}_{number}_rows_0_1_299_300_301": getattr(video, name)[some] for name in ("rgb", "audio")}
        got[f"rgb_{number}_colsum"] = video.rgb.astype(np.int64).sum(0)
        codes, count = grid(video)
        matrix = Normalisation("none").network_input(torch.from_numpy(codes)[None], torch.arange(len(codes))[None] < count)[0]
        got[f"reader_matrix_{number}_rows"] = matrix[[0, 1, 298, 299] if len(video.rgb) > len(codes) else list(range(8))]
        got |= {f"reader_num_frames_{number}": np.array([count]), f"reader_label_ids_{number}": video.labels}
    old = videos(folder, ["2017_trainAB.tfrecord"])[0]
    means = [parse_means(record.data) for record in read_records(folder / "video_level_train0093.tfrecord")]
    got |= {"rgb_2017": old.rgb, "audio_2017": old.audio}
    got |= {f"video_mean_{name}": np.concatenate([getattr(video, name) for video in means]) for name in ("rgb", "audio")}
    check_offsets(case, folder)
    check_damaged(case, folder)
    labels = [name for name in case.outputs if name.startswith("labels_")]
    return got | {name: in_order_of(case.outputs[name], got[name]) for name in labels}


def in_order_of(listed: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Labels are a set: put ours in the order listed if they are the same set."""
    return listed if sorted(listed.tolist()) == sorted(labels.tolist()) else labels


def check_offsets(case: Case, folder: Path) -> None:
    for name, listed in case.meta["files"].items():
        if name == "damaged":
            continue
        ours = [(record.offset, len(record.data)) for record in read_records(folder / name)]
        if ours != [(one["offset"], one["length"]) for one in listed["records"]]:
            raise Mismatch(f"{name}: records at {ours}")


def check_damaged(case: Case, folder: Path) -> None:
    """Where the case says that TensorFlow stops: "after 1 good records: ... record at 9438 ..."."""
    for name, told in case.meta["files"]["damaged"].items():
        good, place = map(int, re.search(r"after (\d+) good .* record at (\d+)", told).groups())
        kind, inside = DAMAGES[name]
        path, read, offset = folder / f"{name}.tfrecord", 0, place - inside
        try:
            for _ in read_records(path):
                read += 1
        except RecordError as error:
            if (read, error.damage.offset, error.damage.kind) != (good, offset, kind):
                raise Mismatch(f"{name}: {error.damage} after {read} records") from error
        else:
            raise Mismatch(f"{name}: read without complaint")


@handles("pipeline_small*")
@torch.no_grad()
def pipeline(case: Case) -> dict[str, Any]:
    """Records to predictions of teacher and student, their losses, the student's metrics and its submission file."""
    config, classes = case.config, case.config["num_classes"]
    read = videos(case.directory / "tfrecord")
    codes, counts = zip(*(grid(video) for video in read))
    present = torch.arange(frames.GRID) < torch.tensor(counts)[:, None]
    x = whitening(case).network_input(torch.from_numpy(np.stack(codes)), present)
    labels = torch.zeros(len(read), classes)
    for row, video in zip(labels, read):
        row[torch.from_numpy(video.labels)] = 1
    teacher, student = (filled(case, NeXtVLAD(**arguments(config)), who).eval() for who in ("teacher", "student"))
    rows = torch.from_numpy(frames.steps(config["k_frame"]))
    said, out = teacher(x, present), student(x[:, rows], present[:, rows])
    target = Target(said.representation, said.probabilities)
    measured = Metrics(classes)
    measured.add(out.probabilities.numpy(), labels.numpy())
    result = measured.result()
    compare_submission(case, "".join(document([([video.id for video in read], out.probabilities.numpy())])))
    return {
        **{f"teacher_{name}": value for name, value in named(said).items()},
        **{f"student_{name}": value for name, value in named(out).items()},
        "teacher_ce": cross_entropy(said.probabilities, labels),
        "student_ce": cross_entropy(out.probabilities, labels),
        "l_rep": Term("rep", "rep", reduction="sum").value(out.representation, target.representation),
        "l_pred": Term("pred", "pred", reduction="sum").value(out.probabilities, target.probabilities),
        "f64_student_hit_perr_gap": np.array([result.hit_at_one, result.perr, result.gap]),
    }


def named(out: Any) -> dict[str, Any]:
    return {"representation": out.representation, "logits": out.logits, "predictions": out.probabilities}


def compare_submission(case: Case, ours: str) -> None:
    """Same videos, same classes in the same order, scores that differ in the last of their six digits at most."""
    theirs = (case.directory / f"{case.meta['case']}_student.csv").read_text(encoding="utf-8")
    for number, (mine, wanted) in enumerate(zip(ours.splitlines(), theirs.splitlines(), strict=True)):
        if mine.split(" ")[::2] != wanted.split(" ")[::2]:
            raise Mismatch(f"line {number} of the submission: {mine[:60]}, expected {wanted[:60]}")
        if number and max(abs(float(a) - float(b)) for a, b in zip(mine.split(" ")[1::2], wanted.split(" ")[1::2])) > 2e-6:
            raise Mismatch(f"line {number} of the submission has other scores: {mine[:60]}, expected {wanted[:60]}")


@handles("tf_checkpoint*")
def checkpoint(case: Case) -> dict[str, Any]:
    """Every variable of both files: names and shapes as listed, values as filled, slots zero, powers and step as the text says."""
    seed = int(case.meta.get("seed") or 0)
    for who, listed in case.meta["variables"].items():
        found = read_checkpoint(case.directory / case.meta["case"] / who)
        shapes = {name: list(value.shape) for name, value in found.items()}
        if shapes != {name: list(shape) for name, shape in listed.items()}:
            raise Mismatch(f"{who}: other variables or shapes than listed: {sorted(shapes.keys() ^ listed.keys())}")
        for variable, value in found.items():
            want = expected(who, variable, value, seed)
            if want is not None and not np.array_equal(value, want):
                raise Mismatch(f"{variable}: {value.ravel()[:3]}, expected {np.ravel(want)[:3]}")
    return {}


def expected(who: str, variable: str, value: np.ndarray, seed: int) -> Any:
    """What a variable holds; None for the step, which only the file name says."""
    leaf = variable.rsplit("/", 1)[-1]
    powers = {"beta1_power": np.float32(0.9), "beta2_power": np.float32(0.999)}
    if leaf in powers:
        return powers[leaf]
    if leaf == "global_step":
        return None
    name = state_name(variable)
    return np.zeros_like(value) if name is None else fill(f"{who}.{name}", value.shape, seed)
