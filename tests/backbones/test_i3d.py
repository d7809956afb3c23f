"""I3D and Top-I3D: padding, names, endpoints, and the numbers of the original."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from models.backbones import i3d
from tests.parity import where
from tests.parity.case import load_case
from tests.parity.compare import compare
from tests.parity.i3d import endpoints, enlarge

GOLDEN = where.GOLDEN / "gkd"
CASES = (
    "rec_i3d_endpoints_112",
    "rec_i3d_flow_endpoints_112",
    "rec_topi3d_endpoints_112",
    "rec_i3d_logits_224",
    "rec_topi3d_logits_224",
)


@pytest.mark.parametrize("name", CASES)
def test_outputs_agree_with_the_original(name: str) -> None:
    path = GOLDEN / f"{name}.json"
    if not path.is_file():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    case = load_case(path)
    assert case is not None
    compare(case, endpoints(case))


@given(size=st.integers(1, 40), kernel=st.integers(1, 7), stride=st.integers(1, 3))
def test_same_padding_gives_one_output_per_stride_and_puts_the_odd_one_after(size: int, kernel: int, stride: int) -> None:
    pads = i3d.same_padding((1, 1, size), (1, 1, kernel), (1, 1, stride))
    before, after = pads[:2]
    assert pads[2:] == [0, 0, 0, 0] and after - before in (0, 1)
    if kernel >= stride:
        assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


def test_pooling_pads_with_zeros_not_with_minus_infinity() -> None:
    x = torch.full((1, 1, 2, 3, 3), -5.0)
    pooled = i3d.max_pool(x, (3, 3, 3), (1, 1, 1))
    assert pooled[0, 0, 0, 0, 0] == 0 and i3d.max_pool(x, (1, 3, 3), (1, 1, 1))[0, 0, 0, 1, 1] == -5


@pytest.mark.parametrize(("classes", "entries"), [(400, 344), (0, 342)])
def test_the_state_has_the_published_entries_logits_first(classes: int, entries: int) -> None:
    with torch.device("meta"):
        names = list(i3d.i3d(classes).state_dict())
    assert len(names) == entries
    assert names[:2] == (
        ["logits.conv3d.weight", "logits.conv3d.bias"] if classes else ["Conv3d_1a_7x7.conv3d.weight", "Conv3d_1a_7x7.bn.weight"]
    )


def test_teacher_and_student_have_the_same_shapes_at_every_endpoint() -> None:
    with torch.device("meta"):
        teacher, student = i3d.i3d().eval(), i3d.topi3d().eval()
        x = torch.empty(1, 3, 64, 224, 224)
        maps, small = teacher.stages(x), student.stages(x)
    assert {name: value.shape for name, value in maps.items()} == {name: value.shape for name, value in small.items()}
    assert maps["Mixed_4f"].shape == (1, 832, 16, 14, 14) and maps["Mixed_5c"].shape == (1, 1024, 8, 7, 7)
    with torch.device("meta"):
        assert teacher.forward_head(maps["Mixed_5c"]).shape == (1, 400, 7)


@pytest.mark.parametrize(("make", "millions"), [(i3d.i3d, 12.70), (i3d.topi3d, 10.53)])
def test_parameter_counts_are_the_published_ones(make: object, millions: float) -> None:
    with torch.device("meta"):
        net = make()  # type: ignore[operator]
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_the_student_looks_along_time_in_its_upper_blocks_alone() -> None:
    net = i3d.topi3d(n_classes=0).eval()
    clip = torch.rand(1, 3, 16, 32, 32)
    other = clip.clone()
    other[:, :, 8:] = 0
    with torch.inference_mode():
        maps, changed = net.stages(clip), net.stages(other)
    assert torch.equal(maps["Mixed_3c"][:, :, :4], changed["Mixed_3c"][:, :, :4])
    assert not torch.equal(maps["Mixed_5c"][:, :, :1], changed["Mixed_5c"][:, :, :1])
    dropped = clip.clone()
    dropped[:, :, 1::2] = 0
    with torch.inference_mode():
        assert torch.equal(maps["Conv3d_1a_7x7"], net.stages(dropped)["Conv3d_1a_7x7"])


def test_the_pooled_feature_of_a_nominal_clip_is_what_the_classifier_sees() -> None:
    net = i3d.i3d(5).eval()
    last = torch.rand(2, 1024, 2, 7, 7)
    logits = F.conv3d(net.pool(last)[..., None, None, None], net.logits.conv3d.weight, net.logits.conv3d.bias)
    assert torch.allclose(net.forward_head(last)[..., 0], logits.flatten(1), atol=1e-6)


def test_a_network_may_end_at_any_endpoint() -> None:
    net = i3d.i3d(final_endpoint="Mixed_3b").eval()
    x = torch.rand(1, 3, 4, 32, 32)
    with torch.inference_mode():
        assert net(x).shape[1] == net.width == 256
    assert net.logits is None and "Mixed_3c.b0.conv3d.weight" not in net.state_dict()
    with pytest.raises(ValueError, match="Mixed_5c"):
        i3d.i3d(final_endpoint="Mixed_6a")


def test_clips_of_a_case_are_enlarged_as_it_says() -> None:
    stored = torch.arange(2 * 3).reshape(1, 1, 1, 2, 3).numpy()
    text = "float32 (1,3,8,14,14); clip = repeat axis 2 x2, axis 3 x8, axis 4 x8 -> (1,3,16,112,112)"
    assert enlarge(stored, text).shape == (1, 1, 2, 16, 24)
    assert enlarge(stored, "float32 (1,3,8,28,28); clip = repeat axis 2 x2, axes 3,4 x8").shape == (1, 1, 2, 16, 24)
    assert enlarge(stored, "used as is").shape == stored.shape
    assert enlarge(stored, "axis 4 x2")[0, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
