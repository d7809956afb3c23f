"""Published states: the network is read off the names, and every entry must fit."""

from __future__ import annotations

import pytest
import torch

from cache.errors import ConfigError, DataError
from systems.litemkd import aliases, published
from systems.litemkd.heads import Head
from systems.litemkd.kinds import HEADS
from systems.litemkd.mfm import MFM, VARIANTS
from systems.litemkd.model import Student
from systems.litemkd.single import KINDS, Single

#: the published pairs of backbone and head
PAIRS = {
    "resnet18_2fc": "TRX_2fcsup",
    "resnet50_2fc": "TRX_2fcsup",
    "moblienetv3_fc2": "TRX_2fcsup",
    "resnet18_student": "TRX",
    "resnet50_student": "TRX",
    "moblienetv3": "TRX",
    "meta_baseline": "e_dist",
    "meta_baseline_fc2": "e_dist_fc2_sup",
    "strm18_student": "strm_res18_sup",
    "strmbackbone": "strmclassifiers",
}
#: parameters of backbone and head, in millions (spec J)
SIZES = {
    "resnet18_2fc": (13.278, 9.444),
    "moblienetv3_fc2": (6.908, 9.444),
    "resnet50_2fc": (31.901, 9.444),
    "resnet18_student": (12.227, 9.444),
    "moblienetv3": (4.940, 9.444),
}


def tiny(variant: str, **options: object) -> MFM:
    return MFM(variant, 12, 10, **{"cardinalities": (2, 3), "layers": 3, "feedforward": 8, **options})


@pytest.mark.parametrize(("backbone", "head"), PAIRS.items())
def test_a_student_is_read_off_its_state(backbone: str, head: str) -> None:
    with torch.device("meta"):
        net = Student(*aliases.ours(aliases.BACKBONES, backbone, "backbone"), aliases.ours(aliases.HEADS, head, "head"))
        again = Student(**published.student_options(net.state_dict()))
    shapes = [{name: value.shape for name, value in one.state_dict().items()} for one in (net, again)]
    assert shapes[0] == shapes[1]
    assert again.backbone.shape == net.backbone.shape and again.classifier.kind == net.classifier.kind
    if backbone in SIZES:
        counted = [sum(p.numel() for p in part.parameters()) / 1e6 for part in (net.backbone, net.classifier)]
        assert counted == pytest.approx(SIZES[backbone], abs=5e-4)


@pytest.mark.parametrize("variant", [name for name, variant in VARIANTS.items() if variant.head == "trx"])
def test_the_sizes_of_a_teacher_are_read_off_its_state(variant: str) -> None:
    assert published.teacher_options(tiny(variant).state_dict()) == {
        "dim": 12,
        "out_dim": 10,
        "cardinalities": (2, 3),
        "layers": 3,
        "frames": 8,
    }


def test_the_published_teacher_has_half_a_billion_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in MFM().parameters()) == 550_808_320


def test_a_state_from_several_gpus_loads() -> None:
    net, other = (Student("small2d", "plain", "trx", 16, 8) for _ in range(2))
    state = {name.replace("backbone.net.", "backbone.net.module."): value for name, value in net.state_dict().items()}
    published.load(other, state, "the file")
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_state_with_an_entry_too_many_is_refused() -> None:
    net = tiny("two")
    with pytest.raises(DataError, match="the file does not fit MFM: 1 unexpected"):
        published.load(net, {**net.state_dict(), "bracnch.extra": torch.zeros(1)}, "the file")


def test_a_frozen_head_takes_the_weights_of_the_teachers_first_head() -> None:
    teacher, head = tiny("shift"), Head("trx-support", 12, 10).eval()
    published.load(head, published.frozen_head(teacher.state_dict()), "the teacher")
    support, labels, query = torch.randn(4, 8, 12), torch.tensor([1, 0, 0, 1]), torch.randn(3, 8, 12)
    expected = teacher.eval().bracnch.transformers[0](support, labels, query)
    assert torch.equal(head({"first": support}, labels, {"first": query})["kl"], expected)


def test_a_teacher_without_a_transformer_has_no_frozen_head() -> None:
    with pytest.raises(DataError, match="no cross-transformer"):
        published.frozen_head(tiny("shift-otam").state_dict())


def test_other_states_are_refused() -> None:
    state = Single("trx", "small2d", 8).state_dict()
    with pytest.raises(DataError, match="no multi-modal teacher"):
        published.teacher_options(state)
    with pytest.raises(DataError, match="no student"):
        published.student_options(state)


def test_a_published_strm_network_keeps_our_patch_heads() -> None:
    net = Single("strm", "small2d", 8)
    state = {name: value for name, value in net.state_dict().items() if not name.startswith("new_dist")}
    kept = net.new_dist_loss_post_pat[0].clsW.weight.detach().clone()
    published.load(net, state, "the file")
    assert torch.equal(net.new_dist_loss_post_pat[0].clsW.weight, kept)
    with pytest.raises(DataError, match="1 missing, of"):
        published.load(net, {name: value for name, value in state.items() if name != "attn_pat.gamma"}, "the file")


def test_published_names_lead_to_names_of_ours() -> None:
    assert set(aliases.HEADS.values()) <= set(HEADS)
    assert set(aliases.TEACHERS.values()) == set(VARIANTS)
    assert set(aliases.SINGLE.values()) == set(KINDS)
    with pytest.raises(ConfigError, match="no backbone 'mobilenetv3'") as error:
        aliases.ours(aliases.BACKBONES, "mobilenetv3", "backbone")
    assert "moblienetv3" in error.value.hint
