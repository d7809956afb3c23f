"""Which network a word means."""

from __future__ import annotations

import pytest

from cache.errors import ConfigError
from pipeline.networks import pick

QA = [f"{name}.s{seed}" for seed in (0, 1) for name in ("teacher", "student.alone", "student.kd", "student.question")]
LABELS = [f"{name}.s0" for name in ("teacher", "student.alone.k6", "student.rep.k6", "student.both.k6", "student.both.k15")]
HEADS = [f"{name}.full.s0" for name in ("linear.video", "linear.audio", "finetune.video", "svm")]
STREAMS = ["teacher.s0", "student.kd.s0", "student.kd.flow.s0"]


@pytest.mark.parametrize(
    ("names", "wanted", "seed", "usual", "meant"),
    [
        (QA, "", 0, "student.kd", "student.kd.s0"),
        (QA, "student", 1, "student.kd", "student.kd.s1"),
        (QA, "teacher", 1, "student.kd", "teacher.s1"),
        (QA, "student.alone.s1", 0, "student.kd", "student.alone.s1"),
        (LABELS, "student.rep", 0, "student.both", "student.rep.k6.s0"),
        (LABELS, "student.both.k15", 0, "student.both", "student.both.k15.s0"),
        (STREAMS, "", 0, "student.kd", "student.kd.s0"),
        (STREAMS, "student.kd.flow", 0, "student.kd", "student.kd.flow.s0"),
        (HEADS, "", 0, "svm.full finetune.video.full linear.video.full", "svm.full.s0"),
        (HEADS[:3], "", 0, "svm.full finetune.video.full linear.video.full", "finetune.video.full.s0"),
        (HEADS, "linear", 0, "svm.full finetune.video.full linear.video.full", "linear.video.full.s0"),
        (HEADS, "linear.audio", 0, "svm.full finetune.video.full linear.video.full", "linear.audio.full.s0"),
    ],
)
def test_a_word_means_one_network(names: list[str], wanted: str, seed: int, usual: str, meant: str) -> None:
    assert pick(names, wanted, seed, usual.split()) == meant


@pytest.mark.parametrize(
    ("names", "wanted", "seed", "usual", "told"),
    [
        (LABELS, "", 0, "student.both", "student.both.k6.s0, student.both.k15.s0"),
        (LABELS, "student", 0, "student.kd", "means 4 networks"),
        (QA, "student.kd", 5, "student.kd", "no network that can be asked"),
        ([], "", 0, "student.kd", "no network can be asked"),
    ],
)
def test_what_means_none_or_several_is_refused(names: list[str], wanted: str, seed: int, usual: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        pick(names, wanted, seed, [usual])
