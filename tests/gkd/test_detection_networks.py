"""The detection networks at small sizes: what the shared layers, the short ways and the modes promise."""

import pytest
import torch
from torch import Tensor

from cache.errors import DataError
from systems.gkd.detection import levels, published
from systems.gkd.detection.networks import Detector, Maps, background_of, weighted_by
from systems.gkd.detection.proposals import joined, level_lengths, priors_of, proposals
from systems.gkd.detection.pyramid import CoarsePyramid
from systems.gkd.detection.shape import Shape

SMALL = Shape(n_classes=4, channels=2, frames=64, crop=32, levels=4, width=1 / 16)


def net(kind: str = "student", **options: object) -> Detector:
    torch.manual_seed(0)
    return Detector(kind, SMALL, **options)


def maps(batch: int = 2) -> Maps:
    generator = torch.Generator().manual_seed(1)
    return Maps(
        torch.randn(batch, SMALL.channels_4f, 16, 2, 2, generator=generator).relu(),
        torch.randn(batch, SMALL.channels_5c, 8, 1, 1, generator=generator).relu(),
    )


def head() -> CoarsePyramid:
    torch.manual_seed(2)
    pyramid = CoarsePyramid(SMALL)
    with torch.no_grad():
        for name, parameter in pyramid.named_parameters():
            parameter.copy_(parameter + 0.1 * torch.randn(parameter.shape) + (1.5 if name == "loc_head.conv1d.bias" else 0))
    return pyramid


def test_the_published_network_has_the_published_entries() -> None:
    with torch.device("meta"):
        whole, plain = Detector("student"), Detector("teacher", attention=False)
    assert (len(whole.state_dict()), len(plain.state_dict())) == (462, 442)
    assert sum(p.numel() for p in whole.backbone.parameters()) == pytest.approx(10.43e6, rel=1e-3)
    assert sum(p.numel() for p in plain.backbone.parameters()) == pytest.approx(12.29e6, rel=1e-3)
    assert sum(p.numel() for p in whole.coarse_pyramid_detection.parameters()) == pytest.approx(32.46e6, rel=1e-3)


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_a_clip_gives_predictions_at_every_position(kind: str) -> None:
    with torch.inference_mode():
        found = net(kind).eval()(torch.randn(2, 2, 64, 32, 32))
    assert found.loc.shape == (2, 30, 2) and found.conf.shape == (2, 30, 4) and found.center.shape == (2, 30, 1)
    assert found.start.shape == (2, 64, SMALL.head_channels // 2) and found.end_conf_prop.shape == (2, 16, SMALL.head_channels)
    assert bool((found.loc > 0).all())


def test_layers_over_joined_levels_are_layers_over_each() -> None:
    pyramid, lengths = head(), level_lengths(64, 4)
    x = torch.randn(2, SMALL.head_channels, sum(lengths))
    for block in (pyramid.loc_tower[0], pyramid.loc_proposal_branch.lr_conv):
        wanted = torch.cat([block(part) for part in x.split(lengths, 2)], 2)
        torch.testing.assert_close(levels.layer(block, x, lengths), wanted, rtol=1e-5, atol=1e-5)


def test_clips_of_a_batch_do_not_see_one_another() -> None:
    pyramid, two = head(), maps()
    together = pyramid(*two)
    for i in range(2):
        alone = pyramid(*(x[i : i + 1] for x in two))
        for name in ("loc", "conf", "prop_loc", "prop_conf", "center", "start_conf_prop"):
            torch.testing.assert_close(getattr(together, name)[i], getattr(alone, name)[0], rtol=1e-4, atol=1e-5)


def test_the_short_way_to_the_coarse_classes_gives_the_same() -> None:
    pyramid, two = head(), maps()
    torch.testing.assert_close(pyramid.coarse_classes(*two), pyramid(*two).conf)


def test_the_published_gradient_reaches_the_frame_level_feature_only() -> None:
    def gradients(how: str) -> dict[str, Tensor]:
        pyramid = head()
        pyramid.pooling_gradient = how
        pyramid(*maps(1)).prop_conf.square().sum().backward()
        return {name: p.grad for name, p in pyramid.named_parameters() if p.grad is not None}

    true, release = gradients("true"), gradients("published")
    differ = {name.split(".")[0] for name in true if not torch.allclose(true[name], release[name], rtol=1e-4, atol=1e-6)}
    assert "deconv" in differ and "pyramids" in differ
    assert differ <= {"deconv", "pyramids"}


def test_segments_stay_within_their_level() -> None:
    lengths = level_lengths(64, 4)
    loc = torch.full((1, 30, 2), 500.0)
    in_steps, in_frames = proposals(loc, priors_of(lengths), lengths, 64)
    placed = joined(in_steps, lengths)
    offset = 0
    for part, t in zip(placed.split(lengths, 1), lengths, strict=True):
        assert float(part.min()) >= offset and float(part.max()) <= offset + t - 1
        offset += t
    assert float(in_frames[..., 0].max()) < 0 and float(in_frames[..., 3].min()) > 64


@pytest.mark.parametrize(("frames", "count"), [(60, 3), (64, 1), (64, 7)])
def test_clips_that_have_no_such_pyramid_are_refused(frames: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"clips of {frames} frames have no {count} levels"):
        level_lengths(frames, count)


def test_attention_and_background_share_a_map_between_them() -> None:
    network, two = net(), maps()
    attention = network.attention(two)
    assert attention.map_4f.shape == (2, SMALL.channels_4f, 16) and attention.map_5c.shape == (2, SMALL.channels_5c, 8)
    action, background = weighted_by(two, attention), background_of(two, attention)
    for x, a, of_action, of_background in zip(two, attention, action, background, strict=True):
        torch.testing.assert_close(of_action * a.sum() + of_background * (1 - a).sum(), x, rtol=1e-4, atol=1e-5)


def test_batch_normalisation_stays_frozen_in_training_unless_asked() -> None:
    clip = torch.randn(1, 2, 64, 32, 32)
    for frozen in (True, False):
        network = net(freeze_bn=frozen).train()
        before = {name: value.clone() for name, value in network.state_dict().items() if "running" in name}
        network.features(clip)
        same = all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
        assert same is frozen


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_the_short_way_of_a_backbone_that_learns_has_the_same_maps_gradients_and_statistics(kind: str) -> None:
    clip = torch.randn(2, 2, 32, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    seen = []
    for fast in (True, False):
        network = net(kind, attention=False, freeze_bn=False, fast=fast).double().train()
        two = network.features(clip)
        (two.map_4f.square().mean() + two.map_5c.square().mean()).backward()
        state = {name: value for name, value in network.backbone.state_dict().items() if "running" in name}
        gradients = {name: p.grad for name, p in network.backbone.named_parameters()}
        seen.append((two.map_4f, two.map_5c, state, gradients))
    torch.testing.assert_close(*seen)


def test_a_state_says_what_network_it_is_of_and_loads_strictly() -> None:
    source = net("teacher")
    state = {f"module.{name}".replace("backbone.", "backbone.module."): value for name, value in source.state_dict().items()}
    options = published.options(state)
    assert options == {"kind": "teacher", "shape": SMALL, "attention": True}
    again = published.load(Detector(**options), state, "a.ckpt")
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in again.state_dict().items())
    del state["module.deconv1.0.bias"]
    with pytest.raises(DataError, match=r"deconv1\.0\.bias"):
        published.load(Detector(**options), state, "a.ckpt")


def test_the_weights_of_plain_afsd_begin_a_network_with_attention() -> None:
    plain, whole = net("teacher", attention=False), net("teacher")
    with pytest.raises(DataError, match="deconv1"):
        published.load(whole, plain.state_dict(), "afsd.ckpt")
    own = whole.deconv1[0].weight.clone()
    published.load(whole, plain.state_dict(), "afsd.ckpt", attention="kept")
    assert torch.equal(whole.deconv1[0].weight, own)
    published.load(plain, whole.state_dict(), "whole.ckpt", attention="kept")


def test_a_recognition_checkpoint_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="no detection network"):
        published.options({"backbone._model.Conv3d_1a_7x7.conv3d.weight": torch.zeros(1)})


def test_kinetics_weights_begin_a_teacher_but_no_student() -> None:
    teacher = net("teacher")
    state = {name: torch.ones_like(value) for name, value in teacher.backbone.net.state_dict().items()}
    state |= {"logits.conv3d.weight": torch.ones(400, 64, 1, 1, 1), "logits.conv3d.bias": torch.ones(400)}
    published.load_kinetics(teacher, state, "rgb_imagenet.pt")
    assert bool((teacher.backbone.net.Conv3d_1a_7x7.conv3d.weight == 1).all())
    with pytest.raises(DataError, match="Conv3d_1a_7x7"):
        published.load_kinetics(net("student"), state, "rgb_imagenet.pt")
