"""Features weighted by attention keep their sum; each clip by itself is the same as batches of one."""

from __future__ import annotations

import torch

from systems.gkd.attention import attend, attention_head, group_norm, spatial_reduction, weigh


def maps() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(3, 8, 4, 2, 2, generator=generator), torch.rand(3, 8, 4, generator=generator)


def test_the_sum_of_the_batch_is_kept() -> None:
    features, attention = maps()
    weighted = weigh(features, attention)
    torch.testing.assert_close(weighted.sum(), features.sum())
    ratio = weighted / (features * attention[..., None, None])
    torch.testing.assert_close(ratio, ratio[0, 0, 0, 0, 0].expand_as(ratio))


def test_each_clip_for_itself_is_a_batch_of_one_and_a_batch_is_not() -> None:
    features, attention = maps()
    alone = torch.cat([weigh(features[i : i + 1], attention[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(weigh(features, attention, per_clip=True), alone)
    assert (weigh(features, attention) - alone).abs().max() > 1e-3


def test_the_attention_is_between_0_and_1_for_every_channel_and_step() -> None:
    reduction, head = spatial_reduction(64, 32, 3), attention_head(32, 64, 5)
    attention = attend(reduction, head, torch.randn(2, 64, 5, 3, 3))
    assert attention.shape == (2, 64, 5)
    assert ((attention > 0) & (attention < 1)).all()


def test_groups_are_32_or_what_divides() -> None:
    assert [group_norm(channels).num_groups for channels in (1024, 512, 832, 208, 52)] == [32, 32, 32, 16, 4]
