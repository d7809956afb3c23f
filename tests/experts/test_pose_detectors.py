"""Detectors of people: YOLOv3 and its files, torchvision's, the whole picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cache.errors import ConfigError, DataError
from models.examine import examine
from models.experts.chunks import Chunk
from models.experts.darknet import HEADER, names, read_darknet
from models.experts.detectors import Library, Yolo, detector, load_library
from models.experts.letterbox import boxes_back, letterbox, resize_cubic
from models.experts.person_boxes import people_rows, suppress
from models.experts.running import Setup
from models.experts.yolov3_spp import Conv, Detecting, Pyramid, YOLOv3SPP
from models.inference.infer import Plan

PLAN = Plan("cpu", 2, 1, 1)


def frames(count: int, height: int = 24, width: int = 32) -> tuple[np.ndarray, ...]:
    return tuple(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8))


def test_yolov3_has_as_many_parameters_as_published_and_its_files_order() -> None:
    with torch.device("meta"):
        net = YOLOv3SPP()
    assert sum(p.numel() for p in net.parameters()) == 62_998_749
    order = names(net)
    assert order[:5] == [f"stem.bn.{name}" for name in ("bias", "weight", "running_mean", "running_var")] + ["stem.conv.weight"]
    assert order[-2:] == ["out3.bias", "out3.weight"]
    assert order.index("out1.weight") < order.index("narrow2.bn.bias") < order.index("neck2.0.bn.bias") < order.index("out2.bias")
    assert len(order) == 73 * 5 + 3 * 2


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Conv(3, 4, 3)
        self.out = nn.Conv2d(4, 2, 1)


def darknet_file(path: Path, net: nn.Module) -> Path:
    first, out = net.first, net.out
    parts = [first.bn.bias, first.bn.weight, first.bn.running_mean, first.bn.running_var, first.conv.weight, out.bias, out.weight]
    with path.open("wb") as file:
        file.write(np.array([0, 2, 0, 32013312, 0], np.int32).tobytes())
        for part in parts:
            file.write(part.detach().numpy().astype(np.float32).tobytes())
    return path


def test_a_darknet_file_is_read_in_its_order(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Two()
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape))
    state = read_darknet(Two(), darknet_file(tmp_path / "two.weights", net))
    assert state.keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(state[name], value)


def test_a_darknet_file_of_another_length_is_refused(tmp_path: Path) -> None:
    path = darknet_file(tmp_path / "two.weights", Two())
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=f"not {4 * (HEADER + 4 * 4 + 108 + 2 + 8):,}"):
        read_darknet(Two(), path)
    with pytest.raises(DataError, match="cannot be read"):
        read_darknet(Two(), tmp_path / "nowhere.weights")


def test_a_darknet_file_is_taken_for_yolov3_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not fit YOLOv3SPP"):
        examine(darknet_file(tmp_path / "two.weights", Two()))


def test_the_pyramids_windows_see_zeros_outside() -> None:
    x = torch.full((1, 1, 4, 4), -1.0)
    out = Pyramid()(x)
    assert out.shape == (1, 4, 4, 4)
    assert (out[0, 0] == 0).all() and (out[0, 3] == -1).all()
    assert Pyramid()(-torch.ones(1, 1, 20, 20))[0, 2, 10, 10] == -1


def test_its_predictions_are_the_same_apart_and_together() -> None:
    torch.manual_seed(0)
    net = YOLOv3SPP().eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(Detecting(net, 64).feature(x), net(x))
        assert net(x).shape == (1, 3 * (4 + 16 + 64), 85)


def test_a_frame_lies_in_the_middle_of_a_grey_square_and_boxes_come_back() -> None:
    frame = np.full((20, 40, 3), 7, np.uint8)
    square = letterbox(frame, 64)
    assert (square[:16] == 128).all() and (square[48:] == 128).all() and (square[16:48] == 7).all()
    back = boxes_back(np.array([[0, 16, 64, 48], [-9, 0, 99, 64]], np.float32), 20, 40, 64)
    np.testing.assert_allclose(back, [[0, 0, 40, 20], [0, 0, 40, 20]], atol=1e-4)


def test_the_narrowest_frame_still_has_a_column() -> None:
    square = letterbox(np.full((1000, 1, 3), 7, np.uint8), 64)
    assert (square == 7).all(2).sum() == 64


def test_cubic_resizing_keeps_what_is_even_and_the_size_of_the_same() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    np.testing.assert_array_equal(resize_cubic(frame, 9, 7), frame)
    assert (resize_cubic(np.full((9, 7, 3), 91, np.uint8), 30, 4) == 91).all()


def prediction(rows: list[tuple[float, float, float, float, float, int]]) -> np.ndarray:
    out = np.zeros((len(rows), 85), np.float32)
    for row, (x, y, w, h, sure, kind) in zip(out, rows):
        row[:5], row[5 + kind] = (x, y, w, h, sure), 0.9
    return out


def test_only_people_who_are_sure_enough_stay_the_surest_of_those_who_overlap() -> None:
    rows = people_rows(
        prediction([(50, 50, 20, 40, 0.5, 0), (51, 50, 20, 40, 0.8, 0), (50, 50, 20, 40, 0.9, 1), (150, 50, 20, 40, 0.1, 0)]), 0.1
    )
    np.testing.assert_allclose(rows, [[41, 30, 61, 70, 0.8, 0.9, 0]], rtol=1e-6)


def test_an_overlap_counts_whole_pixels() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 5]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert suppress(boxes, scores, 0.6).tolist() == [0], "60 of 100 pixels are shared: from 0.6 on, the less sure goes"
    assert suppress(boxes, scores, 0.61).tolist() == [0, 1]


def test_of_more_than_a_hundred_people_overlaps_are_judged_more_strictly() -> None:
    pairs = [(100 * i + shift, 50, 40, 40, 0.5 + 0.001 * i, 0) for i in range(60) for shift in (0, 11)]
    assert len(people_rows(prediction(pairs[:80]), 0.1)) == 80, "they share 57 % of their pixels"
    assert len(people_rows(prediction(pairs), 0.1)) == 60


def test_yolov3_looks_at_every_frame_of_every_chunk() -> None:
    torch.manual_seed(0)
    net = YOLOv3SPP().eval()
    some = frames(3)
    chunks = [Chunk("a", some[:2], True), Chunk("b", (), True), Chunk("c", some[2:], True)]
    found = list(Yolo(net, PLAN, 0.0, side=64)(chunks))
    assert [chunk.id for chunk, _ in found] == ["a", "b", "c"]
    assert [len(one) for _, one in found] == [2, 0, 1]
    with torch.inference_mode():
        square = torch.from_numpy(letterbox(some[2], 64)).permute(2, 0, 1)[None].float() / 255
        rows = people_rows(net(square)[0].numpy(), 0.0)
    alone = found[2][1][0]
    assert len(alone.scores) == len(rows)
    np.testing.assert_allclose(np.sort(alone.scores), np.sort(rows[:, 4]), rtol=1e-3)
    assert (alone.boxes >= 0).all() and (alone.boxes <= [32, 24, 32, 24]).all()


def test_the_whole_picture_is_one_person() -> None:
    setup = Setup(24, 32, PLAN, options={"detector": "whole"})
    ((_, found),) = detector(setup)([Chunk("a", frames(2), True)])
    assert [one.boxes.tolist() for one in found] == [[[0, 0, 32, 24]]] * 2


def test_a_detector_without_its_file_or_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="yolov3 needs its weights"):
        detector(Setup(24, 32, PLAN))
    with pytest.raises(ConfigError, match="yolov4"):
        detector(Setup(24, 32, PLAN, options={"detector": "yolov4"}))


def test_a_detector_of_torchvision_comes_from_a_local_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = load_library("ssdlite", None)
    save_file(net.state_dict(), tmp_path / "ssdlite.safetensors")
    setup = Setup(24, 32, PLAN, detector=tmp_path / "ssdlite.safetensors", options={"detector": "ssdlite"})
    find = detector(setup)
    assert isinstance(find, Library)
    for name, value in find.net.state_dict().items():
        torch.testing.assert_close(value, net.state_dict()[name])
    ((chunk, found),) = find([Chunk("a", frames(1), True)])
    assert chunk.id == "a" and found[0].boxes.shape == (len(found[0].scores), 4)


def test_a_librarys_detector_refuses_another_runtime() -> None:
    with pytest.raises(ConfigError, match="eagerly"):
        Library(nn.Identity(), Plan("cpu", 1, 1, 1, "openvino"), 0.5)
