"""Cases of `derive.py`: optical flow. FlowNet 2.0 beside the same network as one would write it down, the others beside their libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from derive import SEED, Array, Case, moving

HEIGHT, WIDTH = 320, 448
PAIR = f"pair of {WIDTH}x{HEIGHT}"


def expert(name: str) -> Callable[[Any], Any]:
    """The expert ``name`` with random weights."""

    def ours(plan: Any) -> Any:
        from models.experts.registry import build
        from models.experts.running import Setup

        return build(name, Setup(HEIGHT, WIDTH, plan, seed=SEED))

    return ours


def plain_flownet2(threads: int) -> Callable[[Array], Array]:
    """FlowNet2 of one pair."""
    import torch

    from models.experts.flow_network import with_weights
    from models.experts.flownet2_models import FlowNet2

    state = with_weights(FlowNet2, None, SEED).state_dict()

    def compute(pair: Array) -> Array:
        frames = torch.from_numpy(pair.transpose(3, 0, 1, 2).copy()).unsqueeze(0).float()
        flow: Array = flownet2(state, frames)[0].permute(1, 2, 0).contiguous().numpy()
        return flow

    return compute


def flownet2(state: Mapping[str, Any], frames: Any) -> Any:
    """The published network on frames (1, 3, 2, H, W), operation by operation."""
    import torch
    import torch.nn.functional as F

    def conv(name: str, x: Any, stride: int = 1, act: bool = True) -> Any:
        weight = state[f"{name}.weight"]
        y = F.conv2d(x, weight, state[f"{name}.bias"], stride, (weight.shape[-1] - 1) // 2)
        return F.leaky_relu_(y, 0.1) if act else y

    def up(name: str, x: Any, act: bool = False) -> Any:
        y = F.conv_transpose2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), 2, 1)
        return F.leaky_relu_(y, 0.1) if act else y

    def refine(net: str, x: Any, skips: Mapping[int, Any], smooth: bool) -> Any:
        top = max(skips)
        flow = conv(f"{net}.predict_flow{top + 1}", x, act=False)
        for level in sorted(skips, reverse=True):
            x = torch.cat((skips[level], up(f"{net}.deconv{level}.0", x, True), up(f"{net}.upsampled_flow{level + 1}_to_{level}", flow)), 1)
            read = conv(f"{net}.inter_conv{level}.0", x, act=False) if smooth else x
            flow = conv(f"{net}.predict_flow{level}", read, act=False)
        return flow

    def top(net: str, c2: Any, c3: Any, smooth: bool = False) -> Any:
        c4 = conv(f"{net}.conv4_1.0", conv(f"{net}.conv4.0", c3, 2))
        c5 = conv(f"{net}.conv5_1.0", conv(f"{net}.conv5.0", c4, 2))
        c6 = conv(f"{net}.conv6_1.0", conv(f"{net}.conv6.0", c5, 2))
        return refine(net, c6, {5: c5, 4: c4, 3: c3, 2: c2}, smooth)

    def correlation(a: Any, b: Any) -> Any:
        height, width = a.shape[2:]
        padded = F.pad(b, (20, 20, 20, 20))
        shifts = [(y, x) for y in range(0, 41, 2) for x in range(0, 41, 2)]
        return torch.cat([(a * padded[:, :, y : y + height, x : x + width]).mean(1, keepdim=True) for y, x in shifts], 1)

    def warp(image: Any, flow: Any) -> Any:
        height, width = image.shape[2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        grid = torch.stack(((x + flow[:, 0]) * 2 / (width - 1) - 1, (y + flow[:, 1]) * 2 / (height - 1) - 1), -1)
        return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)

    def norm(x: Any) -> Any:
        return x.pow(2).sum(1, keepdim=True).sqrt()

    def net_c(net: str, x: Any) -> Any:
        maps = []
        for image in (x[:, :3], x[:, 3:]):
            c2 = conv(f"{net}.conv2.0", conv(f"{net}.conv1.0", image, 2), 2)
            maps.append((c2, conv(f"{net}.conv3.0", c2, 2)))
        compared = F.leaky_relu(correlation(maps[0][1], maps[1][1]), 0.1)
        c3 = conv(f"{net}.conv3_1.0", torch.cat((conv(f"{net}.conv_redir.0", maps[0][1]), compared), 1))
        return top(net, maps[0][0], c3)

    def net_s(net: str, x: Any) -> Any:
        c2 = conv(f"{net}.conv2.0", conv(f"{net}.conv1.0", x, 2), 2)
        return top(net, c2, conv(f"{net}.conv3_1.0", conv(f"{net}.conv3.0", c2, 2)))

    def net_sd(net: str, x: Any) -> Any:
        c1 = conv(f"{net}.conv1_1.0", conv(f"{net}.conv1.0", conv(f"{net}.conv0.0", x), 2))
        c2 = conv(f"{net}.conv2_1.0", conv(f"{net}.conv2.0", c1, 2))
        return top(net, c2, conv(f"{net}.conv3_1.0", conv(f"{net}.conv3.0", c2, 2)), smooth=True)

    def fusion(net: str, x: Any) -> Any:
        c0 = conv(f"{net}.conv0.0", x)
        c1 = conv(f"{net}.conv1_1.0", conv(f"{net}.conv1.0", c0, 2))
        return refine(net, conv(f"{net}.conv2_1.0", conv(f"{net}.conv2.0", c1, 2)), {1: c1, 0: c0}, True)

    def larger(flow: Any, smooth: bool) -> Any:
        return F.interpolate(flow, scale_factor=4, mode="bilinear" if smooth else "nearest", align_corners=False if smooth else None)

    def again(x: Any, flow: Any) -> Any:
        warped = warp(x[:, 3:], flow)
        return torch.cat((x, warped, flow / 20, norm(x[:, :3] - warped)), 1)

    mean = frames.reshape(1, 3, -1).mean(-1).reshape(1, 3, 1, 1, 1)
    x = (frames - mean) / 255
    x = torch.cat((x[:, :, 0], x[:, :, 1]), 1)
    flow = larger(net_c("flownetc", x) * 20, True)
    flow = larger(net_s("flownets_1", again(x, flow)) * 20, True)
    large = larger(net_s("flownets_2", again(x, flow)) * 20, False)
    small = larger(net_sd("flownets_d", x) / 20, False)
    errors = [norm(x[:, :3] - warp(x[:, 3:], flow)) for flow in (small, large)]
    return fusion("flownetfusion", torch.cat((x[:, :3], small, large, norm(small), norm(large), *errors), 1))


def plain_raft(network: str) -> Callable[[int], Callable[[Array], Array]]:
    """torchvision's network and transforms; 448x320 needs no padding."""

    def plain(threads: int) -> Callable[[Array], Array]:
        import torch
        from torchvision.models import optical_flow
        from torchvision.transforms._presets import OpticalFlow

        torch.manual_seed(SEED)
        net, transforms = getattr(optical_flow, network)(weights=None).eval(), OpticalFlow()

        def compute(pair: Array) -> Array:
            first, second = transforms(*torch.from_numpy(pair.transpose(0, 3, 1, 2).copy()).unsqueeze(1))
            flow: Array = net(first, second)[-1][0].permute(1, 2, 0).contiguous().numpy()
            return flow

        return compute

    return plain


def plain_opencv(make: Callable[[Any], Any]) -> Callable[[int], Callable[[Array], Array]]:
    """The library on grey frames, with as many threads as it likes up to ours."""

    def plain(threads: int) -> Callable[[Array], Array]:
        import cv2

        cv2.setNumThreads(threads)
        method = make(cv2)

        def compute(pair: Array) -> Array:
            flow: Array = method.calc(*(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in pair), None)
            return flow

        return compute

    return plain


def case(plain: Callable[[int], Callable[[Array], Array]], name: str, runtime: str = "eager") -> Case:
    """Of pairs of frames that move."""
    return Case(PAIR, moving(HEIGHT, WIDTH, 2), plain, expert(name), runtime=runtime)


CASES: dict[str, Case] = {
    "flownet2": case(plain_flownet2, "flownet2", "winograd"),
    "raft-large": case(plain_raft("raft_large"), "raft-large"),
    "raft-small": case(plain_raft("raft_small"), "raft-small"),
    "tvl1": case(plain_opencv(lambda cv2: cv2.optflow.DualTVL1OpticalFlow_create()), "tvl1"),
    "dis": case(plain_opencv(lambda cv2: cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)), "dis"),
}
