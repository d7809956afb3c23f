"""Every flow expert of the registry on tiny frames: sizes, order, the same bits whatever the lanes, numbers that are none."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models.optical_flow import raft_small

from cache.errors import ConfigError
from models.experts import registry
from models.experts.flow_network import Fitted, plan_for
from models.experts.frame_size import FrameSizeError
from models.experts.raft import Raft, expert
from models.experts.running import Expert, Setup
from models.inference.batches import Array, Item
from models.inference.infer import Plan
from models.inference.runtimes.eager import prepare
from models.published import find

FLOW = [entry for entry in registry.EXPERTS.values() if entry.kind == "flow"]
LARGE = {"flownet2", "flownet2-css", "flownet2-css-ft-sd", "flownet2-cs"}
#: a method that finds how a picture has moved, without weights
CLASSICAL = [entry.name for entry in FLOW if not entry.network]


def pairs(count: int, height: int = 64, width: int = 70) -> list[Array]:
    """A smooth picture that has moved: by (2, -1) pixels, from the first frame of each pair to the second."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 4 + 12, width // 4 + 12, 3), np.uint8)
    wide = np.asarray(Image.fromarray(coarse).resize((width + 40, height + 40), Image.Resampling.BICUBIC))
    corners = [(10 + 3 * n, 8 + 2 * n) for n in range(count)]
    return [np.stack([wide[y : y + height, x : x + width], wide[y + 1 : y + 1 + height, x - 2 : x - 2 + width]]).copy() for y, x in corners]


def made(name: str, height: int, width: int, lanes: int = 2, **options: Any) -> Expert:
    return registry.build(name, Setup(height, width, Plan("cpu", 2, lanes, 1), options=options))


def run(name: str, videos: list[list[Array]], lanes: int = 2, **options: Any) -> list[list[Array]]:
    return through(made(name, *videos[0][0].shape[1:3], lanes, **options), videos)


def through(built: Expert, videos: list[list[Array]]) -> list[list[Array]]:
    results = list(built(range(len(videos)), lambda n: Item(str(n), len(videos[n]), iter(videos[n]))))
    assert [id for id, _ in results] == [str(n) for n in range(len(videos))]
    return [products for _, products in results]


def check(name: str) -> None:
    three = pairs(3)
    options = {"iterations": 2} if name.startswith("raft") else {}
    built: Any = made(name, 64, 70, **options)
    found = through(built, [three[:2], three[2:]])
    assert [len(products) for products in found] == [2, 1]
    for flow in (*found[0], *found[1]):
        assert flow.shape == (64, 70, 2) and flow.dtype == np.float32 and flow.flags.c_contiguous and np.isfinite(flow).all()
    built._plan = dataclasses.replace(built._plan, lanes=1)  # to build the cascades takes longer than to run them
    again = through(built, [three])  # other items, one lane
    assert all(np.array_equal(a, b) for a, b in zip(again[0], (*found[0], *found[1]), strict=True))


@pytest.mark.parametrize("name", [entry.name for entry in FLOW if entry.name not in LARGE])
def test_flow_of_every_pair_has_the_frames_size_and_the_same_bits_whatever_the_lanes_and_neighbours(name: str) -> None:
    check(name)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(LARGE))
def test_so_has_that_of_the_cascades(name: str) -> None:
    check(name)


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_classical_method_finds_the_motion(name: str) -> None:
    (flow,) = run(name, [pairs(1)])[0]
    assert np.allclose(np.median(flow, (0, 1)), (2, -1), atol=0.3)


@pytest.mark.parametrize("name", CLASSICAL)
def test_refinement_takes_back_what_noise_makes_a_classical_method_see(name: str) -> None:
    noise = np.random.default_rng(1).normal(0, 6, (2, 64, 70, 3))
    noisy = [np.clip(pairs(1)[0] + noise, 0, 255).astype(np.uint8)]
    error = [float(np.linalg.norm(run(name, [noisy], refine=refine)[0][0] - (2, -1), axis=-1).mean()) for refine in (0, 20)]
    assert error[1] < 0.5 * error[0]


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_refined_flow_is_the_same_whatever_the_lanes(name: str) -> None:
    three = pairs(3)
    assert all(np.array_equal(*both) for both in zip(run(name, [three], refine=5)[0], run(name, [three], 1, refine=5)[0], strict=True))


def test_crop_makes_the_flow_of_the_middle() -> None:
    (flow,) = run("flownet2-s", [pairs(1)], size_rule="crop")[0]
    assert flow.shape == (64, 64, 2)


def test_raft_is_what_torchvision_computes() -> None:
    setup = Setup(128, 136, Plan("cpu", 2, 1, 1), options={"iterations": 3})
    net = expert(setup, "raft-small")._net.net
    assert isinstance(net, Raft)
    x = torch.rand(2, 6, 128, 136, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        want = net.net(x[:, :3], x[:, 3:], num_flow_updates=3)[-1]
        assert torch.allclose(net.forward_features(x), want, atol=1e-4 * float(want.abs().max()))


def test_raft_reads_torchvisions_file(tmp_path: Path) -> None:
    torch.manual_seed(7)
    published = raft_small(weights=None).state_dict()
    torch.save(published, tmp_path / "raft_small.pth")
    built = registry.build("raft-small", Setup(128, 136, Plan("cpu", 1, 1, 1), weights=tmp_path / "raft_small.pth"))
    state = built._net.net.net.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(value, published[name]) for name, value in state.items())


def test_frames_too_small_for_a_classical_method_are_an_error_for_people() -> None:
    tiny = [np.zeros((2, 4, 4, 3), np.uint8)]
    with pytest.raises(FrameSizeError, match="dis finds no flow in frames of 4x4 pixels"):
        run("dis", [tiny])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["flownet2-c", "raft-small", "small-flow"])
def test_in_half_precision_a_network_computes_nearly_the_same(name: str, precision: str) -> None:
    weights = find("small-flow", "world").path if name == "small-flow" else None  # without, its last layers are zeros
    setup = Setup(128, 128, Plan("cpu", 1, 1, 1), weights=weights, options={"iterations": 2})
    net = registry.build(name, setup)._net  # type: ignore[attr-defined]
    x = torch.rand(1, 6, 128, 128, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=torch.channels_last) - 0.5
    with torch.inference_mode():
        want, got = net.feature(x), prepare(net, x, precision, 1)(x)
    assert got.dtype == torch.float32
    assert float((got - want).abs().max()) < 0.1 * float(want.abs().max())


def test_a_flow_that_is_no_number_comes_out_as_it_is() -> None:
    class Broken(torch.nn.Module):
        def forward_features(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((x.shape[0], 2, *x.shape[2:]), float("nan"))

    built = registry.build("flownet2-s", Setup(64, 70, Plan("cpu", 1, 1, 1)))
    built._net = Fitted(Broken(), built._fit)  # type: ignore[attr-defined]
    ((_, (flow,)),) = built([0], lambda n: Item("0", 1, iter(pairs(1))))
    assert flow.shape == (64, 70, 2) and np.isnan(flow).all()


def test_larger_frames_go_in_smaller_batches() -> None:
    plan = Plan("cpu", 4, 2, 1)
    assert [plan_for(plan, size).rows for size in (1, 300 << 20, 3 << 30)] == [4, 3, 1]


def test_without_opencv_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match="OpenCV, which is not installed") as error:
        registry.build("tvl1", Setup(64, 64, Plan("cpu", 1, 1, 1)))
    assert "kdpipe[flow]" in str(error.value.hint)


def test_opencvs_own_threads_are_given_back() -> None:
    import cv2

    cv2.setNumThreads(2)
    run("dis", [pairs(1)])
    assert cv2.getNumThreads() == 2
