"""Encoders and autoencoders: what is hidden is not seen, and what is not asked for costs nothing but changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from systems.xkd import position
from systems.xkd.blocks import Width
from systems.xkd.encoder import EVERY, Encoder
from systems.xkd.mae import Autoencoder
from systems.xkd.masking import masking
from systems.xkd.patches import Audio, Geometry, Video

VIDEO, AUDIO = Video(4, 16, 2, 8), Audio(8, 16, 4, 4)
WIDTH = Width(12, 2, 3)


def inputs(geometry: Geometry) -> torch.Tensor:
    return torch.randn((2, 3, 4, 16, 16) if isinstance(geometry, Video) else (2, 1, 8, 16))


@pytest.mark.parametrize("geometry", [VIDEO, AUDIO])
def test_kept_patches_have_their_own_positions(geometry: Geometry) -> None:
    net, x = Encoder(geometry, WIDTH), inputs(geometry)
    kept = torch.rand(2, geometry.tokens).argsort(1)[:, :3]
    whole = net.tokens(x)
    assert torch.allclose(net.tokens(x, kept)[:, 1:], whole[:, 1:].gather(1, kept[..., None].expand(-1, -1, 12)), atol=1e-6)
    assert torch.equal(net.tokens(x, kept)[:, 0], whole[:, 0])


@pytest.mark.parametrize("geometry", [VIDEO, AUDIO])
def test_tokens_of_several_inputs_are_those_of_each(geometry: Geometry) -> None:
    net, x = Encoder(geometry, WIDTH), inputs(geometry)
    smaller = torch.randn((3, 3, 2, 8, 8) if isinstance(geometry, Video) else (3, 1, 8, 8))
    kept = torch.rand(2, geometry.tokens).argsort(1)[:, :3]
    found = net.all_tokens([(x, kept, None), (smaller, None, geometry.patches(smaller))])
    torch.testing.assert_close(found, [net.tokens(x, kept), net.tokens(smaller)])


@pytest.mark.parametrize("width", [8, 16, 20, 44])
def test_positions_in_time_are_bicubic(width: int) -> None:
    table, grid = torch.randn(1, 1 + 8, 5), AUDIO.grid((8, width))
    patches = table[:, 1:].view(1, 2, 4, 5).permute(0, 3, 1, 2)
    scale = [1.0, (grid[1] + position.MARGIN) / 4]
    expected = F.interpolate(patches, scale_factor=scale, mode="bicubic").permute(0, 2, 3, 1).reshape(1, -1, 5)
    found = position.audio(table, 2, grid)
    torch.testing.assert_close(found, torch.cat([table[:, :1], expected], 1))


@pytest.mark.parametrize("geometry", [VIDEO, AUDIO])
def test_a_patch_is_where_the_grid_says(geometry: Geometry) -> None:
    x = inputs(geometry)
    patches = geometry.patches(x)
    assert patches.shape[1:] == (geometry.tokens, geometry.values)
    if isinstance(geometry, Video):
        t, h, w = 1, 0, 1
        expected = x[:, :, 2 * t : 2 * t + 2, 8 * h : 8 * h + 8, 8 * w : 8 * w + 8].permute(0, 2, 3, 4, 1)
        assert torch.equal(patches[:, (t * 2 + h) * 2 + w], expected.flatten(1))
    else:
        assert torch.equal(patches[:, 1 * 4 + 2], x[:, 0, 4:8, 8:12].flatten(1))


def test_attention_of_cls_is_the_first_row_of_all_attention() -> None:
    net, x = Encoder(VIDEO, WIDTH), inputs(VIDEO)
    tokens, every = net.attended(x, EVERY)
    alone, cls = net.attended(x)
    assert torch.equal(tokens, net(x)) and torch.equal(alone, tokens)
    assert torch.allclose(cls, every[:, :, :1], atol=1e-6)
    assert torch.allclose(every.sum(-1), torch.ones(2, 3, 1 + VIDEO.tokens))


def test_hidden_patches_change_neither_the_latent_nor_the_prediction() -> None:
    net, x = Autoencoder(Encoder(AUDIO, WIDTH), Width(8, 1, 2)), inputs(AUDIO)
    noise = torch.rand(2, AUDIO.tokens)
    hidden = masking(noise, 0.5).mask.view(2, 1, 2, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    one, other = net(x, noise, 0.5), net(x + hidden, noise, 0.5)
    assert torch.equal(one.latent, other.latent) and torch.equal(one.prediction, other.prediction)
    assert not torch.equal(one.latent, net(x + 1 - hidden, noise, 0.5).latent)


def test_the_loss_is_of_hidden_patches_alone() -> None:
    net, x = Autoencoder(Encoder(AUDIO, WIDTH), Width(8, 1, 2)), inputs(AUDIO)
    found = net(x, torch.rand(2, AUDIO.tokens), 0.5)
    found.prediction.retain_grad()
    found.loss.backward()
    assert torch.equal(found.prediction.grad.abs().sum(-1) > 0, found.masking.mask > 0)


def test_positions_of_another_size_follow_the_grid() -> None:
    net = Encoder(VIDEO, WIDTH)
    assert net(torch.randn(1, 3, 2, 24, 24)).shape == (1, 1 + 9, 12)
    assert Encoder(AUDIO, WIDTH)(torch.randn(1, 1, 8, 28)).shape == (1, 1 + 14, 12)
    with pytest.raises(ValueError, match="for 8 bands, the input has 12"):
        Encoder(AUDIO, WIDTH)(torch.randn(1, 1, 12, 16))
