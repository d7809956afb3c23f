"""Skeleton experts: many videos, frames in order, whatever is in them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cache.errors import ConfigError, DataError
from models.experts import chunks as chunking
from models.experts import pose_crops, rtmpose
from models.experts.chunks import Chunk, beside, chunks, whole
from models.experts.detectors import Found
from models.experts.fastpose import FastPose
from models.experts.keypoint_rcnn import people as said_people
from models.experts.registry import EXPERTS, build
from models.experts.running import Setup
from models.experts.top_down import Crops, TopDown
from models.experts.weights import of_expert
from models.inference.batches import Item
from models.inference.infer import Plan

PLAN = Plan("cpu", 2, 1, 1)
HEIGHT, WIDTH = 40, 48
SKELETONS = [name for name, entry in EXPERTS.items() if entry.kind == "skeleton" and entry.weights]


def frame(value: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


def one_each(parts: Iterable[Chunk]) -> Iterator[tuple[Chunk, list[Found]]]:
    """As many people in a frame as its value modulo 3 says."""
    for chunk in parts:
        counts = [int(picture[0, 0, 0]) % 3 for picture in chunk.frames]
        boxes = [np.tile(np.float32([4, 2, 24, 38]), (n, 1)) + np.float32(np.arange(n)[:, None]) for n in counts]
        yield chunk, [Found(box, np.full(len(box), 0.5, np.float32)) for box in boxes]


def told(works: Iterator[Crops]) -> Iterator[np.ndarray]:
    """Joints whose x is the value of the crop's middle, far apart for everybody."""
    ahead = []
    for work in works:  # takes two ahead
        middles = [crop[128, 96, 0] for crop in work.cut(256, 192)]
        joints = np.array(middles, np.float32)[:, None, None] + np.zeros((1, 17, 3), np.float32)
        joints[..., 1] = 100 * np.arange(len(joints))[:, None]
        joints[..., 2] = 0.9
        ahead.append(joints)
        if len(ahead) > 2:
            yield ahead.pop(0)
    yield from ahead


def load(name: str) -> Item:
    values = {"none": [], "nobody": [0, 3, 6], "some": [1, 0, 2], "long": [(i * 7) % 200 for i in range(37)]}[name]
    return Item(name, len(values), (frame(value) for value in values))


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("jobs", [["long", "nobody", "none", "some"], ["nobody", "none"], ["none"], [], ["some"]])
def test_every_frame_of_every_video_gets_its_own_people(jobs: list[str], merged: bool) -> None:
    out = list(TopDown(one_each, told, merged, 2)(jobs, load))  # type: ignore[arg-type]
    assert [name for name, _ in out] == jobs
    for name, people in out:
        values = [int(row[0, 0, 0]) for row in load(name).rows]
        assert [len(one.scores) for one in people] == [value % 3 for value in values]
        for value, one in zip(values, people):
            assert one.keypoints.shape == (value % 3, 17, 3) and one.boxes.shape == (value % 3, 4)
            assert (one.keypoints[..., 0] == value).all()
            if value % 3:
                np.testing.assert_allclose(one.boxes[:, 2:], [[20, 36]] * (value % 3))
                np.testing.assert_allclose(one.scores, 0.9 + 0.5 + 1.25 * 0.9, rtol=1e-5)


def test_of_a_long_video_only_a_few_frames_are_in_memory() -> None:
    alive = most = 0

    class Picture(np.ndarray):
        def __del__(self) -> None:
            nonlocal alive
            alive -= self.base is not None and self.shape == (HEIGHT, WIDTH, 3)

    def rows() -> Iterator[np.ndarray]:
        nonlocal alive, most
        for i in range(40 * chunking.FRAMES):
            alive += 1
            most = max(most, alive)
            yield frame(i % 200).view(Picture)

    ((_, people),) = TopDown(one_each, told, False, 1)(["x"], lambda name: Item(name, 40 * chunking.FRAMES, rows()))  # type: ignore[arg-type]
    assert len(people) == 40 * chunking.FRAMES
    assert 1 < most <= 8 * chunking.FRAMES


def test_chunks_together_are_the_items_they_were_cut_from() -> None:
    parts = list(chunks(["long", "none", "some"], load, 1))
    assert [(part.id, len(part.frames), part.last) for part in parts] == [
        *(("long", 16, False), ("long", 16, False), ("long", 5, True)),
        *(("none", 0, True), ("some", 3, True)),
    ]
    joined = dict(whole((part, [picture[0, 0, 0] for picture in part.frames]) for part in parts))
    assert joined["some"] == [1, 0, 2] and joined["none"] == [] and len(joined["long"]) == 37


def test_what_has_no_work_keeps_its_place() -> None:
    works = [0, 3, 0, 0, 5, 0]
    assert list(beside(works, lambda some: [n * 10 for n in some], bool, -1)) == [(0, -1), (3, 30), (0, -1), (0, -1), (5, 50), (0, -1)]


def test_fastpose_says_of_a_frame_what_its_network_says_of_the_crop(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = FastPose().eval()
    with torch.no_grad():
        net.conv_out.bias.fill_(0.5)
    save_file(net.state_dict(), tmp_path / "fast.safetensors")
    options = {"detector": "whole", "pose_nms": False}
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    expert = build("alphapose-fastpose50", Setup(HEIGHT, WIDTH, PLAN, weights=tmp_path / "fast.safetensors", options=options))
    ((_, (people,)),) = expert(["x"], lambda name: Item(name, 1, [picture]))
    centre, size = pose_crops.centre_and_size(np.array([[0, 0, WIDTH, HEIGHT]], np.float32))
    x = torch.from_numpy(pose_crops.network_input(pose_crops.crop(picture, centre[0], size[0])[None]))
    with torch.inference_mode():
        places, scores = pose_crops.joints_of(net(x).numpy(), pose_crops.crop_boxes(centre, size))
    np.testing.assert_allclose(people.keypoints[0, :, 2:], scores[0], rtol=1e-3)
    near = np.abs(people.keypoints[0, :, :2] - places[0]).max(1) < 2.5  # a plateau's largest place may be another
    assert near.mean() > 0.7


@pytest.mark.parametrize("name", SKELETONS)
def test_every_skeleton_expert_has_the_weights_that_it_names(name: str) -> None:
    entry = EXPERTS[name]
    assert f"{name}.{entry.weights}" in {known.name for known in of_expert(name)}


@pytest.mark.parametrize("name", ["keypointrcnn", "rtmpose"])
def test_a_library_refuses_a_runtime_that_is_not_its_own(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="float32"):
        build(name, Setup(HEIGHT, WIDTH, Plan("cpu", 2, 1, 1, "winograd"), weights=tmp_path / "x"))


def test_what_keypoint_rcnn_says_is_made_people() -> None:
    said = {
        "boxes": np.array([[1, 2, 11, 32]], np.float32),
        "scores": np.array([0.8], np.float32),
        "keypoints": np.ones((1, 17, 3), np.float32) * [5, 6, 1],
        "keypoints_scores": np.zeros((1, 17), np.float32),
    }
    people = said_people(said)
    assert people.boxes.tolist() == [[1, 2, 10, 30]] and people.keypoints[0, 0].tolist() == [5, 6, 0.5]
    assert people.scores[0] == pytest.approx(0.5 + 0.8 + 1.25 * 0.5)
    nobody = {name: value[:0] for name, value in said.items()}
    assert said_people(nobody).keypoints.shape == (0, 17, 3)


class Session:
    """Stands for ONNX Runtime: every joint is at the pixel whose red is largest."""

    class Put:
        def __init__(self, name: str, shape: list[Any]) -> None:
            self.name, self.shape = name, shape

    def __init__(self, shape: list[Any], outputs: int = 2) -> None:
        self.shape, self.outputs = shape, outputs

    def get_inputs(self) -> list[Any]:
        return [self.Put("input", self.shape)]

    def get_outputs(self) -> list[Any]:
        return [self.Put(str(n), []) for n in range(self.outputs)]

    def run(self, names: Any, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        red = given["input"][0, 0]
        row, column = np.unravel_index(red.argmax(), red.shape)
        x, y = np.zeros((1, 17, 2 * red.shape[1]), np.float32), np.zeros((1, 17, 2 * red.shape[0]), np.float32)
        x[..., 2 * column], y[..., 2 * row] = 0.8, 0.6
        return [x, y]


def test_rtmpose_puts_the_joints_of_a_crop_back_into_the_frame(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rtmpose, "open_session", lambda path, device: Session(["batch", 3, 256, 192]))
    picture = frame(0)
    picture[18:21, 29:32] = 255
    expert = build("rtmpose", Setup(HEIGHT, WIDTH, PLAN, weights=tmp_path / "x.onnx", options={"detector": "whole"}))
    ((_, (people,)),) = expert(["x"], lambda name: Item(name, 1, [picture]))
    np.testing.assert_allclose(people.keypoints[0], [[30, 19, 0.7]] * 17, atol=1.1)


def test_an_onnx_file_of_another_network_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setup = Setup(HEIGHT, WIDTH, PLAN, weights=tmp_path / "x.onnx", options={"detector": "whole"})
    for session in (Session(["batch", 3, 256, 192], 1), Session([1, 3, "h", "w"]), Session([1, 1, 256, 192])):
        monkeypatch.setattr(rtmpose, "open_session", lambda path, device, session=session: session)
        with pytest.raises(DataError, match="no RTMPose"):
            build("rtmpose", setup)


def test_rtmpose_without_its_package_or_its_file_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"kdpipe\[pose\]"):
        build("rtmpose", Setup(HEIGHT, WIDTH, PLAN, weights=tmp_path / "x.onnx", options={"detector": "whole"}))
    with pytest.raises(ConfigError, match="no random weights"):
        build("rtmpose", Setup(HEIGHT, WIDTH, PLAN))


def test_a_file_that_is_no_onnx_is_refused_by_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(DataError, match="not an ONNX file"):
        rtmpose.open_session(tmp_path / "x.onnx", "cpu")
