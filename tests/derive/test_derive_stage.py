"""The derive stage: which frames an expert sees, what is kept of it, what is said of what is lost, and that nothing is computed twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cache import paced
from cache.errors import ConfigError, DataError
from cache.stage import Context
from media.codings.derived import Derived
from media.codings.table import decode
from media.frames import decode_payload
from models.experts.registry import build
from stages.derive import rows as seen
from stages.derive import run as work
from stages.derive.run import run
from tests.derive.conftest import Toy, payload


def lines(ctx: Context) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ctx.out / "frames.jsonl").read_text().splitlines()]


def opened(ctx: Context, id: str) -> Derived:
    (row,) = [row for row in lines(ctx) if row["id"] == id]
    about = json.loads((ctx.out / "derived.json").read_text())
    item = ctx.items.get(row["source"])
    assert item.digest == row["frames"]
    return decode(about["kind"], about["coding"], about["options"], item.payload)


def pairs(ctx: Context, id: str) -> list[tuple[int, int]]:
    found = opened(ctx, id)
    return [tuple(int(value) for value in found.product(int(number))[0, 0]) for number in found.numbers]


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("next-frame", [(3, 4), (9, 10), (30, 31), (98, 99)]), ("next-sample", [(3, 9), (9, 30), (30, 99), (30, 99)])],
)
def test_flow_is_from_a_frame_to_the_next_one_and_the_last_has_the_one_before(sampled, context, rule: str, expected: list) -> None:
    sampled({"a": payload([3, 9, 30, 99], beside=[4, 10, 31, 98])})
    ctx = context("flow", pairs=rule)
    run(ctx)
    assert pairs(ctx, "a") == expected
    found = opened(ctx, "a")
    assert found.index.tolist() == [[3, 9, 30, 99]] and found.times.tolist() == [0.3, 0.9, 3.0, 9.9]


def test_flow_to_the_next_frame_needs_the_frames_beside_and_says_what_to_type(sampled, context) -> None:
    sampled({"a": payload([3, 9])})
    with pytest.raises(ConfigError, match="did not keep") as raised:
        run(context("flow"))
    assert "sample.with_next=true" in str(raised.value.hint)


def test_a_last_frame_alone_needs_the_frame_before_it(sampled, context) -> None:
    sampled({"a": payload([4])}, count=5)
    with pytest.raises(ConfigError, match="did not keep"):
        run(context("flow"))


def test_depth_and_skeleton_see_the_shown_frames_alone(sampled, context) -> None:
    sampled({"a": payload([3, 9, 30], beside=[4, 10, 31])})
    depth, skeleton = context("depth", "depth"), context("skeleton", "skeleton")
    run(depth)
    run(skeleton)
    assert [float(opened(depth, "a").product(n)[0, 0]) for n in (3, 9, 30)] == [3, 9, 30]
    assert [float(opened(skeleton, "a").product(n).keypoints[0, 0, 0]) for n in (3, 9, 30)] == [3, 9, 30]
    assert depth.ledger.counts() == skeleton.ledger.counts() == {"ok": 1}


def test_frames_that_were_repeated_are_seen_once(sampled, context) -> None:
    sampled({"a": payload([5, 5, 6])}, count=7)
    ctx = context("depth")
    run(ctx)
    assert opened(ctx, "a").numbers.tolist() == [5, 6] and opened(ctx, "a").index.tolist() == [[5, 5, 6]]


def test_a_long_video_goes_through_in_parts_and_comes_out_whole(sampled, context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "PART", 3)
    sampled({"a": payload(range(10)), "b": payload([1, 2])})
    ctx = context("flow", pairs="next-sample")
    run(ctx)
    assert pairs(ctx, "a") == [*((n, n + 1) for n in range(9)), (8, 9)] and pairs(ctx, "b") == [(1, 2), (1, 2)]


def test_videos_of_several_sizes_go_through_an_expert_of_each(sampled, context, toys) -> None:
    sampled({"a": payload([1, 2]), "b": payload([3, 4], size=(20, 30)), "c": payload([5, 6])})
    ctx = context("depth")
    run(ctx)
    assert [(setup.height, setup.width) for setup in toys] == [(24, 32), (20, 30)]
    assert [(row["id"], row["height"], row["width"]) for row in lines(ctx)] == [("a", 24, 32), ("b", 20, 30), ("c", 24, 32)]


def test_a_video_of_a_size_that_the_expert_cannot_see_is_lost_and_the_others_are_not(
    sampled, context, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled({"a": payload([1, 2], size=(3, 2)), "b": payload([3, 4], beside=[5])})
    ctx = context("flow", expert="dis", coding="float", pairs="next-sample")
    monkeypatch.setattr(work, "build", build)
    run(ctx)
    assert ctx.ledger.counts() == {"ok": 1, "failed": 1}
    assert "dis finds no flow in frames of 2x3 pixels" in ctx.ledger.entries["a"].reason
    assert [row["id"] for row in lines(ctx)] == ["b"]


def test_frames_are_brought_to_a_size_that_is_asked_for_first(sampled, context, toys) -> None:
    sampled({"a": payload([1, 2]), "b": payload([3, 4], size=(20, 30))})
    ctx = context("depth", width=16, height=12)
    run(ctx)
    assert [(setup.height, setup.width) for setup in toys] == [(12, 16)] and opened(ctx, "b").product(3).shape == (12, 16)


def test_what_is_not_finite_is_lost_and_says_how_much(sampled, context) -> None:
    Toy.faults = {"broken": (3,)}
    sampled({"a": payload([1, 2]), "b": payload([3, 4])})
    ctx = context("depth")
    run(ctx)
    assert [row["id"] for row in lines(ctx)] == ["a"] and ctx.ledger.counts() == {"ok": 1, "non_finite": 1}
    assert ctx.ledger.entries["b"].reason == "1 of 2 frames have NaN or infinity"


def test_nothing_finite_at_all_is_an_error(sampled, context) -> None:
    Toy.faults = {"broken": (1, 2)}
    sampled({"a": payload([1, 2])})
    with pytest.raises(DataError, match="no video has a depth that can be used"):
        run(context("depth"))


def test_frames_without_people_are_told_and_kept(sampled, context) -> None:
    Toy.faults = {"empty": (3, 4, 5)}
    sampled({"a": payload([1, 2]), "b": payload([3, 4]), "c": payload([5, 6])})
    ctx = context("skeleton")
    run(ctx)
    assert ctx.ledger.counts() == {"ok": 1, "few_people": 1, "no_person": 1}
    assert ctx.ledger.entries["c"].reason == "nobody is found in 1 of 2 frames" and len(lines(ctx)) == 3


def test_a_video_of_one_frame_has_no_pair_and_says_so(sampled, context) -> None:
    sampled({"a": payload([0, 0, 0])}, count=1)
    ctx = context("flow")
    run(ctx)
    assert pairs(ctx, "a") == [(0, 0)] and ctx.ledger.counts() == {"no_pair": 1}


def test_what_the_sample_stage_lost_counts_as_its_loss(sampled, context) -> None:
    sampled({"a": payload([1, 2]), "b": None})
    ctx = context("depth")
    run(ctx)
    assert ctx.ledger.counts() == {"ok": 1, "lost_before": 1} and "not one frame decodes" in ctx.ledger.entries["b"].reason
    assert ctx.ledger.lost_fraction() == 0


def test_pictures_are_read_as_sampled_frames_are(sampled, context) -> None:
    sampled({"a": payload([1, 2], beside=[3])})
    ctx = context("flow", coding="wheel", codec="png")
    run(ctx)
    (row,) = lines(ctx)
    frames = decode_payload(ctx.items.get(row["source"]).payload)
    assert frames.index.tolist() == [[1, 2]] and frames.images(1).shape == (24, 32, 3)


def test_ten_more_videos_compute_ten_and_order_does_not_matter(sampled, context, toys) -> None:
    videos = {f"v{n}": payload([n, n + 1], beside=[n + 2]) for n in range(15)}
    sampled(dict(list(videos.items())[:5]))
    first = context("flow", "first", items="shared.items")
    run(first)
    sampled(dict(reversed(videos.items())))
    both = context("flow", "both", items="shared.items")
    run(both)
    assert both.items.appended == 10
    fresh = context("flow", "fresh")
    run(fresh)
    assert files(fresh.out) == files(both.out)


@pytest.mark.parametrize("share", [float("inf"), 1e-12], ids=["flushed at once", "flushed at the end"])
def test_an_interrupted_run_loses_the_video_at_hand_alone(sampled, context, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    sampled({f"v{n}": payload([n, n + 1], beside=[n + 2]) for n in range(6)})
    whole = context("flow", "whole")
    run(whole)
    real = work.derived

    def dying(*how: Any):
        for done, row in enumerate(real(*how)):
            if done == 4:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(paced, "SHARE", share)
    monkeypatch.setattr(work, "derived", dying)
    with pytest.raises(KeyboardInterrupt):
        run(context("flow", "killed", items="shared.items"))
    monkeypatch.setattr(work, "derived", real)
    again = context("flow", "again", items="shared.items")
    run(again)
    assert again.items.appended == 2 and files(again.out) == files(whole.out)
