"""FlowNet 2.0's networks: the entries of the published checkpoints, reading them, and what the models compute."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from cache.errors import DataError
from models.experts import flownet2_models as models
from models.experts import flownet2_nets as nets
from models.experts import registry, weights
from models.experts.flow_network import with_weights
from models.experts.flownet2 import to_input
from models.experts.flownet2_merged import merge
from models.published import find

#: class -> entries of its state dict, parameters
PUBLISHED = {
    "FlowNet2": (220, 162_518_834),
    "FlowNet2CSS": (132, 116_565_942),
    "FlowNet2CS": (90, 77_870_620),
    "FlowNet2C": (48, 39_175_298),
    "FlowNet2S": (42, 38_676_506),
    "FlowNet2SD": (60, 45_371_666),
}


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        net: nn.Module = getattr(models, name)()
    return net


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_model_has_the_entries_and_parameters_of_its_checkpoint(name: str) -> None:
    state = on_meta(name).state_dict()
    assert (len(state), sum(value.numel() for value in state.values())) == PUBLISHED[name]
    assert all(value.dim() for value in state.values())  # no buffers


def test_the_whole_model_has_the_published_prefixes() -> None:
    names = Counter(name.partition(".")[0] for name in on_meta("FlowNet2").state_dict())
    assert names == {"flownetc": 48, "flownets_1": 42, "flownets_2": 42, "flownets_d": 60, "flownetfusion": 28}


def test_only_s_lacks_the_bias_of_the_enlarged_flow() -> None:
    names = on_meta("FlowNet2").state_dict()
    without = {name.partition(".")[0] for name in names if "upsampled" in name and name.replace("weight", "bias") not in names}
    assert without == {"flownets_1", "flownets_2"}


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model."])
@pytest.mark.parametrize("old", [False, True])
def test_a_published_file_is_read_in_the_old_format_and_with_prefixes(tmp_path: Path, prefix: str, old: bool) -> None:
    state = {f"{prefix}{name}": torch.full_like(value, 0.25) for name, value in Small().state_dict().items()}
    path = tmp_path / "checkpoint.pth.tar"
    torch.save({"epoch": 0, "state_dict": state, "best_EPE": 1e10}, path, _use_new_zipfile_serialization=not old)
    net = with_weights(Small, path, 0)
    assert all(torch.equal(value, torch.full_like(value, 0.25)) for value in net.state_dict().values())


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth.tar"
    torch.save({"state_dict": {"predict.weight": torch.zeros(2, 3, 3, 3)}}, path)
    with pytest.raises(DataError, match="does not fit Small: 1 missing, of 2 entries"):
        with_weights(Small, path, 0)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.predict = nn.Conv2d(3, 2, 3)


def test_weights_without_a_file_are_those_of_the_seed() -> None:
    one, same, other = (with_weights(Small, None, seed).state_dict()["predict.weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_a_pair_is_normalised_by_the_mean_colour_of_both_frames() -> None:
    frames = torch.rand(4, 3, 8, 8) * 255  # two pairs
    x = to_input(frames)
    assert x.shape == (2, 6, 8, 8)
    mean = torch.stack((frames[2], frames[3])).mean((0, 2, 3)).reshape(3, 1, 1)
    assert torch.allclose(x[1, :3], (frames[2] - mean) / 255, atol=1e-6)
    assert torch.allclose(x[1, 3:], (frames[3] - mean) / 255, atol=1e-6)


@pytest.mark.parametrize("name", ["FlowNet2C", "FlowNet2S", "FlowNet2SD"])
def test_in_training_a_single_network_returns_its_flows_from_fine_to_coarse(name: str) -> None:
    net = on_meta(name).train()
    flows = net(torch.rand(1, 3, 2, 64, 128, device="meta"))
    assert [tuple(flow.shape) for flow in flows] == [(1, 2, 64 // stride, 128 // stride) for stride in (4, 8, 16, 32, 64)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_in_evaluation_a_model_returns_flow_of_the_frames_size(name: str) -> None:
    flow = on_meta(name).eval()(torch.rand(2, 3, 2, 64, 128, device="meta"))
    assert flow.shape == (2, 2, 64, 128)


def test_every_published_file_of_flow_is_in_the_table_with_its_digest_where_one_is_known() -> None:
    for entry in registry.EXPERTS.values():
        if entry.kind == "flow" and entry.network:
            rows = weights.of_expert(entry.name)
            assert find(entry.name, entry.weights) in rows
            assert all(row.sha256 == row.file.partition(".")[0].rpartition("-")[2] for row in rows if "raft" in entry.name)
    assert {"FlowNet2_checkpoint.pth.tar", "raft_small_C_T_V2-01064c6d.pth"} <= {row.file for row in weights.WEIGHTS.values()}


@pytest.mark.parametrize("make", [nets.FlowNetC, nets.FlowNetSD, nets.FlowNetS, nets.FlowNetFusion])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_merged_layers_give_the_same_flow_to_its_very_border(make: type[nn.Module], batch_norm: bool) -> None:
    torch.manual_seed(0)
    net = make(batch_norm=batch_norm).eval()
    inputs = {nets.FlowNetC: 6, nets.FlowNetSD: 6, nets.FlowNetS: 12, nets.FlowNetFusion: 11}[make]
    x = torch.randn(1, inputs, 64, 64)
    with torch.inference_mode():
        want = net(x)
        names = set(net.state_dict())
        got = merge(net)(x)
    assert (batch_norm and make is not nets.FlowNetS) or set(net.state_dict()) != names
    want, got = (flow if isinstance(flow, torch.Tensor) else flow[0] for flow in (want, got))
    assert torch.allclose(got, want, atol=1e-5 * float(want.abs().max()))
