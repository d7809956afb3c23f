"""Features and questions as batches."""

from __future__ import annotations

import pytest
import torch

from cache.errors import DataError
from systems.videoqa.data import Features, Split, Targets


def load(bench, *, split: str = "train", **options):
    features = Features(bench.inputs["appearance"], bench.inputs["motion"], **options)
    return Split(bench.inputs["questions"], split, features)


def test_rows_read_per_batch_equal_rows_held_in_memory(bench) -> None:
    held, read = load(bench), load(bench, memory_gb=0.0)
    for rows in held.shuffled(8, 0, 0):
        for a, b in zip(held.batch(rows), read.batch(rows)):
            assert torch.equal(a, b)


def test_both_files_are_looked_up_by_id_whatever_their_order(bench) -> None:
    split = load(bench)
    data = split.batch(torch.arange(10))
    first, second = split.features.readers
    assert first.ids != second.ids
    for row, place in enumerate(data.video_index.tolist()):
        id = int(split.video_ids[row])
        assert torch.equal(data.appearance[place], torch.from_numpy(first.row(id)))
        assert torch.equal(data.motion[place], torch.from_numpy(second.row(id)))


def test_a_batch_holds_each_video_once(bench) -> None:
    split = load(bench)
    data = split.batch(torch.arange(len(split)))
    assert len(data.appearance) == len(data.motion) == len(set(split.video_ids.tolist()))


def test_the_last_partial_batch_is_kept(bench) -> None:
    split = load(bench)
    batches = split.shuffled(10, 0, 0)
    assert [len(batch) for batch in batches] == [10, 10, 10, 3]
    assert sorted(torch.cat(list(batches)).tolist()) == list(range(33))


def test_a_single_left_over_training_question_joins_the_batch_before(bench) -> None:
    assert [len(batch) for batch in load(bench).shuffled(8, 0, 0)] == [8, 8, 8, 9]


def test_batches_by_video_keep_the_questions_of_a_video_together(bench) -> None:
    split = load(bench)
    videos = split.videos[torch.cat(list(split.by_video(5)))].tolist()
    assert videos == sorted(videos)


def test_questions_of_lost_videos_are_left_out_and_counted(bench_with_lost_videos) -> None:
    split = load(bench_with_lost_videos)
    lost = [i for i, id in enumerate(split.all["video_ids"].tolist()) if id in (4, 7)]
    assert lost
    assert split.lost == lost
    assert len(split) == split.total - len(lost)
    assert not {4, 7} & set(split.video_ids.tolist())


def test_a_split_without_any_video_is_an_error(bench, tmp_path) -> None:
    features = Features(bench.inputs["appearance"], bench.inputs["motion"])
    features._row = {}
    with pytest.raises(DataError, match="no question with a video"):
        Split(bench.inputs["questions"], "val", features)


def test_the_video_that_says_nothing_is_one_row_of_zeros(bench) -> None:
    data = load(bench, nothing=True).batch(torch.arange(6))
    assert data.appearance.shape[0] == data.motion.shape[0] == 1
    assert not data.appearance.any()
    assert not data.motion.any()
    assert data.video_index.tolist() == [0] * 6


def test_targets_are_found_by_question_id_in_memory_and_on_disk(trained) -> None:
    bench, made = trained
    split = load(bench)
    held, read = Targets(made["dump"], split), Targets(made["dump"], split, memory_gb=0.0)
    rows = torch.tensor([5, 2, 2, 30])
    assert torch.equal(held[rows], read[rows])
    assert not torch.equal(held[rows][0], held[rows][1])
    assert torch.equal(held[rows][1], held[rows][2])


def test_a_dump_of_other_questions_is_refused(trained) -> None:
    bench, made = trained
    split = load(bench)
    split.question_ids = split.question_ids + 1000
    with pytest.raises(DataError, match="no target for question"):
        Targets(made["dump"], split)
