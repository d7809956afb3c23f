"""The order of an epoch in which questions about the same video stand together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.training.determinism import epoch_order
from systems.videoqa import TeacherParams
from systems.videoqa.data import Features, Split
from systems.videoqa.model import DualVGR
from systems.videoqa.order import grouped
from systems.videoqa.train import VideoQATask

VIDEOS = torch.randint(0, 9, (50,), generator=torch.Generator().manual_seed(0))


def order(together: int, seed: int = 0, epoch: int = 0) -> Tensor:
    return grouped(epoch_order(len(VIDEOS), seed, epoch), VIDEOS, together, seed, epoch)


def runs(videos: Tensor) -> list[int]:
    """Lengths of the runs of equal videos."""
    return torch.unique_consecutive(videos, return_counts=True)[1].tolist()


@pytest.mark.parametrize("together", [1, 3, 50])
def test_every_question_has_one_place(together: int) -> None:
    assert sorted(order(together).tolist()) == list(range(50))


def test_all_questions_of_a_video_stand_in_a_row_if_no_more_are_there() -> None:
    assert sorted(runs(VIDEOS[order(50)])) == sorted(torch.bincount(VIDEOS).tolist())


def test_questions_of_a_video_stand_together_at_most_so_many() -> None:
    groups = sum(-(-count // 3) for count in torch.bincount(VIDEOS).tolist())
    assert len(runs(VIDEOS[order(3)])) <= groups  # two groups of a video may meet
    assert len(runs(VIDEOS[order(3)])) > len(runs(VIDEOS[order(50)]))


def test_another_epoch_brings_other_groups_in_another_order() -> None:
    assert order(3).tolist() == order(3).tolist()
    assert order(3).tolist() != order(3, epoch=1).tolist()
    assert order(3).tolist() != order(3, seed=1).tolist()
    first, second = (VIDEOS[order(50, epoch=epoch)].unique_consecutive().tolist() for epoch in (0, 1))
    assert first != second


def test_videos_that_are_encoded_once_a_batch_give_the_losses_of_the_published_way_without_dropout(bench) -> None:
    split = Split(bench.inputs["questions"], "train", Features(bench.inputs["appearance"], bench.inputs["motion"]))
    found = []
    for video_dropout in ("paper", "shared"):
        torch.manual_seed(0)
        net = DualVGR(
            question_vocab_size=10,
            answer_vocab_size=7,
            num_of_nodes=3,
            vision_dim=16,
            module_dim=16,
            word_dim=10,
            dropout=0.0,
            video_dropout=video_dropout,
        ).double()
        params = TeacherParams(batch_size=11, together=25, video_dropout=video_dropout)
        task = VideoQATask(net.train(), split, split, params, "cpu")
        encoded: list[int] = []
        net.visual_motion_input_unit.register_forward_hook(lambda _m, _i, out, encoded=encoded: encoded.append(len(out)))
        for batch in task.batches(0):
            data = split.batch(batch)
            data = data._replace(appearance=data.appearance.double(), motion=data.motion.double())
            split.batch = lambda rows, device, data=data: data  # type: ignore[method-assign]
            loss, terms, _ = task.loss(batch)
            del split.batch
            found.append((video_dropout, float(loss.detach()), [float(term.detach()) for term in terms.values()]))
        assert sum(encoded) == 33 if video_dropout == "paper" else sum(encoded) < 20
    half = len(found) // 2
    for one, two in zip(found[:half], found[half:], strict=True):
        assert one[1:] == (pytest.approx(two[1], rel=1e-10), pytest.approx(two[2], rel=1e-8, abs=1e-12))


def test_a_training_takes_the_option(bench) -> None:
    plain, together = (bench.teacher(name, together=count, video_dropout="shared") for name, count in (("one", 1), ("many", 25)))
    assert (plain / "curves.jsonl").read_text() != (together / "curves.jsonl").read_text()
