"""Teachers: what is shifted when, and the networks of one modality."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cache.errors import ConfigError
from systems.litemkd.mfm import MFM, RELEASED, VARIANTS, Shifts
from systems.litemkd.single import KINDS, Single
from systems.litemkd.switches import PRESETS, SWITCHES, switches

LABELS = torch.tensor([1, 0, 1, 0])


def teacher(variant: str = "shift", **options: object) -> MFM:
    torch.manual_seed(0)
    return MFM(variant, 12, 10, layers=1, feedforward=8, **options).eval()


def clips(count: int, modalities: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, 8, 12, generator=generator) for _ in range(modalities)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_classifies_and_dumps(variant: str) -> None:
    net = teacher(variant)
    support, query = clips(4, net.variant.modalities), clips(3, net.variant.modalities, seed=1)
    assert net(support, LABELS, query).shape == (3, 2)
    assert net.fuse(query, "dump").shape == (3, 8, 12)


def test_pairs_computed_together_are_those_computed_alone() -> None:
    net, (rgb, depth, flow) = teacher(shifts=RELEASED), clips(2, 3)
    rotated = torch.cat([depth[:, 1:], depth[:, :1]], 1)
    expected = net.three_fusion(rgb, depth, flow) + net.fusion(rgb, rotated) + net.fusion(rgb, flow)
    assert torch.allclose(net.fuse([rgb, depth, flow], "query"), expected, atol=1e-5)


def test_our_dumps_are_what_the_head_was_trained_on_and_the_published_ones_are_not() -> None:
    given = clips(2, 3)
    for shifts, agree in ((Shifts(), True), (RELEASED, False)):
        net = teacher(shifts=shifts)
        assert torch.equal(net.fuse(given, "support"), net.fuse(given, "dump")) is agree


def test_ours_and_the_published_dumps_agree() -> None:
    given = clips(2, 3)
    assert torch.equal(teacher().fuse(given, "dump"), teacher(shifts=RELEASED).fuse(given, "dump"))


def test_the_published_pair_shifts_its_support_clips_only() -> None:
    given = clips(2, 2)
    for shifts, agree in ((Shifts(), True), (RELEASED, False)):
        net = teacher("two-shift", shifts=shifts)
        assert torch.equal(net.fuse(given, "support"), net.fuse(given, "query")) is agree


def test_a_missing_modality_is_said() -> None:
    with pytest.raises(ConfigError, match="fuses 3 modalities, and was given 2"):
        teacher().fuse(clips(2, 2), "dump")


def test_a_shift_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="flow_train"):
        Shifts(flow_train="left")


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_one_modality_classify_what_they_dump(kind: str) -> None:
    net = Single(kind, "small2d", 10).eval()
    support, query = torch.rand(4, 8, 3, 32, 32), torch.rand(2, 8, 3, 32, 32)
    with torch.inference_mode():
        features = net.features(query)
        outputs = net(support, LABELS, query)
        again = net.match(net.features(support), LABELS, features)
    assert features.shape == (2, 8, 128)
    assert set(outputs) == ({"logits", "pat"} if kind == "strm" else {"logits"})
    assert all(torch.equal(value, again[name]) and value.shape == (2, 2) for name, value in outputs.items())


def test_the_shifts_of_the_table_are_those_of_the_teacher() -> None:
    for which, shifts in (("fixed", Shifts()), ("released", RELEASED)):
        assert {name: value for name, value in switches(which).items() if hasattr(shifts, name)} == vars(shifts)


def test_the_presets_differ_in_their_switches_and_in_the_loss_of_the_first_branch() -> None:
    paper, released = PRESETS["paper"], PRESETS["released"]
    differing = {key for key in paper["student"] if paper["student"][key] != released["student"][key]}
    assert differing == {"objective"}
    assert {name for name in SWITCHES if paper["switches"][name] != released["switches"][name]} >= {"support_grouping", "teacher_head"}


def test_a_teacher_that_standardises_sees_neither_scale_nor_offset_of_features() -> None:
    torch.manual_seed(0)
    net = MFM("two", 8, 4, layers=1, feedforward=8, standardise=True).eval()
    clips = [torch.randn(6, 8, 8), torch.randn(6, 8, 8)]
    clips[1][..., 3] = 2.0  # a number that never changes
    fused = []
    for scale, offset in ((1.0, 0.0), (0.01, 5.0)):
        seen = [clip * scale + offset for clip in clips]
        net.measure(seen)
        fused.append(net.fuse(seen, "dump"))
    assert torch.isfinite(fused[0]).all()
    torch.testing.assert_close(fused[0], fused[1], rtol=1e-3, atol=1e-3)
    plain = MFM("two", 8, 4, layers=1, feedforward=8)
    assert set(net.state_dict()) - set(plain.state_dict()) == {"mean", "deviation"}
