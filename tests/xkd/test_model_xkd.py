"""The whole network: what is shared, what learns, what each coefficient and switch does."""

from __future__ import annotations

import pytest
import torch

from cache.errors import ConfigError
from models.training.schedules import Moment, constant
from systems.xkd import optimise
from systems.xkd.model import VARIANTS, XKD
from systems.xkd.switches import SWITCHES, switches
from tests.xkd.tiny import network, views

NAMES = ["vid_recon_loss", "aud_recon_loss", "as2vs_align_loss", "vt2at_align_loss", "vt2as_kd_loss", "at2vs_kd_loss"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_students_learn_and_teachers_do_not(variant: str) -> None:
    net = network(variant)
    net(*views(local=3))["loss"].backward()
    for name, parameter in net.named_parameters():
        assert (parameter.grad is not None) == ("teacher" not in name and "weight_g" not in name), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_blocks_are_shared_as_the_variant_says(variant: str) -> None:
    net, (students, teachers) = network(variant), VARIANTS[variant]
    assert (net.vid_student.backbone.encoder is net.aud_student.backbone.encoder) == students
    assert (net.vid_teacher.backbone.encoder is net.aud_teacher.backbone.encoder) == teachers
    assert net.vid_student.backbone.encoder is not net.vid_teacher.backbone.encoder


def test_teachers_start_as_their_students() -> None:
    for teacher, student in network("xkd_mas").pairs():
        assert all(torch.equal(a, b) for a, b in zip(teacher.state_dict().values(), student.state_dict().values(), strict=True))


def test_the_total_weighs_the_parts() -> None:
    found = network(align=2.0, distil=3.0, reconstruct=4.0)(*views())
    expected = (2 * found["alignment_loss"] + 3 * found["cmkd_loss"] + 4 * found["recon_loss"]) / 9
    assert torch.allclose(found["loss"], expected)
    assert list(found) == [*NAMES, "recon_loss", "alignment_loss", "cmkd_loss", "loss"]


def test_a_part_without_a_coefficient_is_left_out() -> None:
    assert not {"as2vs_align_loss", "alignment_loss"} & set(network(align=0.0)(*views()))
    net = network(align=0.0, distil=0.0)
    found = net(*views())
    assert set(found) == {"vid_recon_loss", "aud_recon_loss", "recon_loss", "loss"}
    found["loss"].backward()
    assert net.vid_student.head.mlp[0].weight.grad is None and not net.vt2as_ce_loss.center.any()


def test_the_switch_says_which_view_teachers_see() -> None:
    video, audio, _ = views()
    local, whole = (network(teacher_view=which) for which in ("index1", "global"))
    assert torch.equal(local.teacher_outputs([None, video[1]], [None, audio[1]])[0], local.teacher_outputs(video, audio)[0])
    assert torch.equal(whole.teacher_outputs(video[:1], audio[:1])[0], whole.teacher_outputs(video, audio)[0])


def test_views_together_give_what_they_give_alone() -> None:
    net, (video, _, noise) = network(), views(local=3)
    tokens, loss = net.vid_ae.learn(video[0], noise[0], 0.85, torch.cat(video[1:]))
    alone = net.vid_ae(video[0], noise[0], 0.85)
    assert torch.allclose(tokens[0], alone.latent, atol=1e-6) and torch.allclose(loss, alone.loss)
    assert torch.allclose(tokens[1], torch.cat([net.vid_student.backbone(view) for view in video[1:]]), atol=1e-6)


def test_blocks_that_teachers_share_move_twice() -> None:
    net = network("xkd_mats")
    with torch.no_grad():
        for parameter in net.vid_student.parameters():
            parameter.add_(1.0)
    before = {name: value.clone() for name, value in net.vid_teacher.named_parameters()}
    optimise.teachers_follow(net, constant(0.9), constant(0.8))(Moment(0, 0, 0))
    moved = {name: (value - before[name]).mean().item() for name, value in net.vid_teacher.named_parameters()}
    assert moved["backbone.cls_token"] == pytest.approx(0.1, abs=1e-5)
    assert moved["backbone.encoder.blocks.0.attn.qkv.weight"] == pytest.approx(1 - 0.9 * 0.8, abs=1e-5)


def test_only_students_are_clipped() -> None:
    net = network()
    for parameter in net.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    optimise.clip_students(net)([])
    assert net.vid_student.head.mlp[0].weight.grad.norm().item() == pytest.approx(0.3, rel=1e-4)
    assert bool((net.vid_ae.out_proj.weight.grad == 1).all()) and bool((net.aud_ae.mask_token.grad == 1).all())


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ConfigError, match="xkd_mat"):
        XKD("xkd_mat")


@pytest.mark.parametrize("which", ["fixed", "released"])
def test_every_value_of_a_switch_of_the_objective_runs(which: str) -> None:
    options = {name: value for name, value in switches(which).items() if name in ("teacher_view", "student_tau", "mmd")}
    assert len(options) == 3
    assert torch.isfinite(network(**options)(*views())["loss"])
    assert all(switch.fixed != switch.released for switch in SWITCHES.values())


def test_half_precision_gives_nearly_the_same_losses() -> None:
    expected = network()(*views())
    net = network()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(*views())
    found["loss"].backward()
    for name in ("vid_recon_loss", "aud_recon_loss", "vt2as_kd_loss", "at2vs_kd_loss"):
        assert found[name].item() == pytest.approx(expected[name].item(), rel=0.05), name  # bfloat16 has steps of 0.8 %
    assert all(bool(torch.isfinite(p.grad).all()) for p in net.parameters() if p.grad is not None)
