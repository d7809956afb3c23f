"""Published states: written under the published names, read back strictly."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from cache.errors import DataError
from models.backbones.published import read_raw
from systems.xkd import optimise, published
from systems.xkd.model import VARIANTS
from tests.xkd.tiny import SIZES, network, views


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_training_state_comes_back_from_its_file(variant: str, tmp_path: Path) -> None:
    net, path = network(variant), tmp_path / "checkpoint.pth.tar"
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter))
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad])
    torch.save(published.training_state(net, optimizer.state_dict(), 3), path)
    assert path.stat().st_size < 1.3 * sum(p.nbytes for p in net.parameters()) + 250_000  # shared tensors once
    other = published.load(network(variant), read_raw(path, ("model",)).entries, "the file")
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))


def test_an_optimizer_goes_on_from_a_published_state() -> None:
    nets = [network(), network()]
    optimizers = []
    for net in nets:
        groups = optimise.groups(net, lambda moment: 0.01, lambda moment: 0.1)
        optimizers.append(optimise.adamw([{"params": list(group.parameters)} for group in groups]))
    nets[0](*views())["loss"].backward()
    optimizers[0].step()
    state = copy.deepcopy(published.training_state(nets[0], optimizers[0].state_dict(), 1))
    published.load(nets[1], state["model"], "the state")
    optimizers[1].load_state_dict(state["optimizer"])
    for net, optimizer in zip(nets, optimizers, strict=True):
        optimizer.zero_grad()
        net(*views())["loss"].backward()
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True))


def test_a_state_of_another_variant_is_refused() -> None:
    net = network("xkd")
    with torch.no_grad():
        net.aud_student.backbone.encoder.blocks[0].attn.proj.bias.add_(1)
    with pytest.raises(DataError, match="different numbers where one tensor is shared"):
        published.load(network("xkd_mats"), net.state_dict(), "the file")


def test_every_entry_must_fit() -> None:
    state = network().state_dict()
    with pytest.raises(DataError, match="1 missing"):
        published.load(network(), {name: value for name, value in state.items() if name != "vid_ae.mask_token"}, "the file")
    with pytest.raises(DataError, match="1 unexpected"):
        published.load(network(), {**state, "extra": torch.zeros(1)}, "the file")


@pytest.mark.parametrize("side", published.SIDES)
@pytest.mark.parametrize("renamed", [False, True])
def test_an_encoder_loads_from_its_own_file_and_from_that_of_evaluation(side: str, renamed: bool) -> None:
    net, (video, audio, _) = network(), views()
    state = published.backbone_state(net, side)
    if renamed:
        state = {published.evaluation_name(name): value for name, value in state.items()}
        assert {"pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.bias"} <= set(state)
    geometry, x = (SIZES.video, video[0]) if side.startswith("vid") else (SIZES.audio, audio[0])
    if renamed and side.startswith("aud"):
        assert published.training_names(state).keys() == published.backbone_state(net, side).keys()
    found = published.encoder(state, "the file", geometry, 3)
    expected = getattr(net, side).backbone
    assert torch.equal(found(x), expected(x))


def test_an_encoder_of_unknown_width_needs_its_heads() -> None:
    state = published.backbone_state(network(), "vid_student")
    with pytest.raises(DataError, match="2 blocks of width 12"):
        published.encoder(state, "the file", SIZES.video)
    with pytest.raises(DataError, match="no XKD encoder"):
        published.encoder({"conv1.weight": torch.zeros(1)}, "the file")
