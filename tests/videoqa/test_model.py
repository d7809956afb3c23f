"""DualVGR: what depends on what, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cache.errors import ConfigError, DataError
from systems.videoqa.model import DualVGR, DualVGROutput

B, C, F, V, T = 6, 4, 5, 12, 7
SIZES = {"vision_dim": V, "module_dim": 16, "word_dim": 6, "question_vocab_size": 20, "answer_vocab_size": 9, "num_of_nodes": C}


def build(**options: Any) -> DualVGR:
    torch.manual_seed(3)
    return DualVGR(**{**SIZES, **options})


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([3, T, 1, 5, 2, 6])
    question = torch.randint(2, 20, (B, T), generator=generator) * (torch.arange(T) < lengths[:, None])
    return torch.randn(B, C, F, V, generator=generator), torch.randn(B, C, V, generator=generator), question, lengths


def tensors(out: DualVGROutput) -> list[Tensor]:
    return [tensor for field in out for tensor in (field if isinstance(field, list) else [field])]


def assert_same(first: DualVGROutput, second: DualVGROutput, atol: float = 1e-6) -> None:
    for one, two in zip(tensors(first), tensors(second), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=atol)


@pytest.mark.parametrize(("units", "layers"), [(1, 1), (1, 4), (2, 3)])
def test_outputs_have_the_documented_shapes(units: int, layers: int) -> None:
    out = build(unit_layers=units, graph_layers=layers)(*batch())
    assert out.logits.shape == (B, 9)
    for name in ("fused", "appearance", "motion", "e_appearance", "e_motion"):
        assert getattr(out, name).shape == (B, C, 16)
    for name in ("com_app", "com_motion", "aq_fusion", "mq_fusion"):
        assert [tuple(tensor.shape) for tensor in getattr(out, name)] == [(B, C, 16)] * (units * layers)
    assert all(torch.isfinite(tensor).all() for tensor in tensors(out))


@torch.no_grad()
def test_a_question_is_answered_alike_whatever_else_is_in_the_batch() -> None:
    model, given = build(unit_layers=2).eval(), batch()
    whole = model(*given)
    alone = model(*(tensor[3:4] for tensor in given))
    torch.testing.assert_close(whole.logits[3:4], alone.logits, rtol=0, atol=1e-6)
    torch.testing.assert_close(whole.fused[3:4], alone.fused, rtol=0, atol=1e-6)


@torch.no_grad()
def test_tokens_beyond_the_length_do_not_matter() -> None:
    model, (appearance, motion, question, lengths) = build().eval(), batch()
    noisy = torch.where(torch.arange(T) < lengths[:, None], question, 19)
    assert_same(model(appearance, motion, question, lengths), model(appearance, motion, noisy, lengths))


@torch.no_grad()
def test_the_video_and_the_question_both_matter() -> None:
    model, (appearance, motion, question, lengths) = build().eval(), batch()
    logits = model(appearance, motion, question, lengths).logits
    for position, given in enumerate((appearance, motion, question)):
        changed = [appearance, motion, question]
        changed[position] = given.roll(1, 0)
        assert (model(*changed, lengths).logits - logits).abs().max() > 1e-4


@torch.no_grad()
def test_shared_videos_give_the_same_numbers_in_eval_mode() -> None:
    model, (appearance, motion, question, lengths) = build(graph_layers=2).eval(), batch()
    index = torch.tensor([1, 0, 1, 2, 0, 1])
    plain = model(appearance[index], motion[index], question, lengths)
    assert_same(plain, model(appearance[:3], motion[:3], question, lengths, index))


def test_shared_videos_draw_a_mask_for_every_question_unless_told_otherwise() -> None:
    (appearance, motion, question, lengths), index = batch(), torch.zeros(B, dtype=torch.int64)
    for choice, equal in (("paper", False), ("shared", True)):
        model = build(video_dropout=choice).train()
        seen: list[Tensor] = []
        model.visual_appearance_input_unit.register_forward_hook(lambda _module, _inputs, output, seen=seen: seen.append(output))
        model(appearance[:1], motion[:1], question, lengths, index)
        assert (len(seen[0]) == 1) is equal


def test_shared_videos_train_like_repeated_ones_without_dropout() -> None:
    (appearance, motion, question, lengths), index = batch(), torch.tensor([1, 0, 1, 2, 0, 1])
    gradients = []
    for choice in ("paper", "shared"):
        model = build(dropout=0.0, video_dropout=choice).train()
        model(appearance[:3], motion[:3], question, lengths, index).logits.square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)


def test_every_parameter_learns_with_one_cycle_or_one_layer() -> None:
    for sizes in ({"graph_layers": 4}, {"unit_layers": 2}):
        assert without_gradient(build(**sizes)) == set()


def test_cycles_share_graph_modules_and_leave_the_last_ones_unused_as_published() -> None:
    unused = without_gradient(build(unit_layers=2, graph_layers=3))
    banks = ("appearance_GCN", "motion_GCN", "acGCN", "mcGCN")
    assert {name.split(".attention_")[0] for name in unused} == {f"visual_input_unit.{bank}.{k}" for bank in banks for k in (4, 5)}
    assert without_gradient(build(unit_layers=2, graph_layers=3, graph_index="fixed")) == set()


def without_gradient(model: DualVGR) -> set[str]:
    out = model(*batch())
    (out.logits.sum() + sum(tensor.sum() for layer in (out.com_app, out.com_motion) for tensor in layer)).backward()
    return {name for name, parameter in model.named_parameters() if parameter.grad is None}


def test_no_dropout_is_left_when_its_factor_is_zero() -> None:
    model = build(dropout=0.0, graph_layers=2).train()
    model.output_unit.classifier[3].momentum = 0.0
    assert_same(model(*batch()), model(*batch()), atol=0.0)


def test_dropout_makes_training_random() -> None:
    model = build().train()
    assert not torch.equal(model(*batch()).fused, model(*batch()).fused)


def test_parameters_number_as_published() -> None:
    sizes = {"question_vocab_size": 40, "answer_vocab_size": 30, "num_of_nodes": 8}
    for layers, count in ((1, 21_218_578), (4, 28_324_162)):
        with torch.device("meta"):
            model = DualVGR(**sizes, graph_layers=layers)
        assert sum(parameter.numel() for parameter in model.parameters()) == count + 300 * 40 + 769 * 30


def test_weights_start_as_published() -> None:
    model = build()
    linear = model.visual_motion_input_unit
    assert linear.weight.abs().max() <= (6 / (V + 16)) ** 0.5
    assert model.linguistic_input_unit.encoder_embed.weight.abs().max() <= 1.0
    assert all(not parameter.any() for name, parameter in model.named_parameters() if ".bias" in name)


def test_glove_vectors_start_the_embedding_and_other_shapes_are_refused() -> None:
    model, matrix = build(), torch.randn(20, 6)
    model.load_glove(matrix)
    assert torch.equal(model.linguistic_input_unit.encoder_embed.weight, matrix)
    assert model.linguistic_input_unit.encoder_embed.weight.requires_grad
    with pytest.raises(DataError, match=r"\[20, 5\]"):
        model.load_glove(torch.randn(20, 5))


def test_other_numbers_of_clips_are_refused() -> None:
    appearance, motion, question, lengths = batch()
    with pytest.raises(DataError, match="4 clips per video, the features have 3 and 3"):
        build()(appearance[:, :3], motion[:, :3], question, lengths)


@pytest.mark.parametrize("length", [0, T + 1])
def test_questions_without_tokens_or_longer_than_the_tensor_are_refused(length: int) -> None:
    appearance, motion, question, lengths = batch()
    lengths[2] = length
    with pytest.raises(DataError, match="question lengths"):
        build()(appearance, motion, question, lengths)


IMPOSSIBLE = [("module_dim", 18), ("graph_layers", 0), ("graph_index", "papr"), ("word_softmax", ""), ("video_dropout", "x")]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
def test_impossible_options_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        build(**{name: value})
