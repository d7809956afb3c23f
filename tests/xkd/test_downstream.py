"""Downstream: layer decay, CutMix and mixup, metrics, SVM, schedules."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from cache.errors import ConfigError
from models.training.schedules import Moment, constant
from systems.xkd import metrics, mixing, svm
from systems.xkd.classifier import Classifier, Finetuned
from systems.xkd.encoder import Encoder
from systems.xkd.layer_decay import layer, scaled
from systems.xkd.schedules import ramp, warmed
from tests.xkd.tiny import SIZES


def finetuned(feature: str = "pool") -> Finetuned:
    torch.manual_seed(0)
    return Finetuned(Encoder(SIZES.video, SIZES.encoder), Classifier(12, 5), feature).eval()


def test_every_parameter_is_in_one_group_of_its_layer() -> None:
    net = finetuned()
    groups = scaled(net.named_parameters(), 2, 0.5, 0.05)
    names = [name for group in groups for name in group.names]
    assert sorted(names) == sorted(name for name, _ in net.named_parameters())
    where = {name: group for group in groups for name in group.names}
    assert where["backbone.enc_pos_embed"][:2] == (0.125, 0.0)
    assert where["backbone.cuboid_embed.proj.weight"][:2] == (0.125, 0.05)
    assert where["backbone.encoder.blocks.1.mlp.fc1.weight"][:2] == (0.5, 0.05)
    assert where["head.classifier.weight"][:2] == (1.0, 0.05)
    assert layer("backbone.encoder_norm.weight", 12) == 13


def test_the_feature_is_the_mean_of_patches_or_cls() -> None:
    x = torch.randn(2, 3, 4, 16, 16)
    pool, cls = finetuned("pool"), finetuned("cls")
    tokens = pool.backbone(x)
    assert torch.equal(pool(x), pool.head(tokens[:, 1:].mean(1))) and torch.equal(cls(x), cls.head(tokens[:, 0]))


@pytest.mark.parametrize("seed", range(8))
def test_cutmix_replaces_the_share_that_it_says(seed: int) -> None:
    draw = np.random.default_rng(seed)
    mix = mixing.draw(draw, (12, 20), mixup=0.0, cutmix=1.0)
    batch = torch.arange(4.0)[:, None, None, None, None].expand(4, 3, 8, 12, 20)
    found = mixing.mixed(batch, mix)
    assert mix.box is not None
    assert (found == batch).float().mean().item() == pytest.approx(mix.share)
    assert torch.equal(found.flip(1), found) and torch.equal(found.flip(2), found)  # the same box in all frames


def test_the_released_axes_are_time_and_height() -> None:
    batch = torch.arange(2.0)[:, None, None, None, None].expand(2, 1, 8, 12, 12)
    found = mixing.mixed(batch, mixing.cut_out((0, 12, 3, 9), (12, 12)), "code")
    changed = found[0, 0] != batch[0, 0]
    assert bool(changed[:, 3:9].all()) and not bool(changed[:, :3].any())


def test_mixes_are_drawn_as_often_as_asked() -> None:
    draw = np.random.default_rng(0)
    mixes = [mixing.draw(draw, (8, 8), 0.8, 1.0, chance=0.5) for _ in range(400)]
    kinds = [(mix.box is not None, mix.share < 1) for mix in mixes]
    assert 70 < sum(cut for cut, _ in kinds) < 130
    assert 70 < sum(blended and not cut for cut, blended in kinds) < 130


def test_targets_are_distributions() -> None:
    wanted = mixing.targets(torch.tensor([0, 1, 2]), 4, 0.3, 0.1)
    assert torch.allclose(wanted.sum(1), torch.ones(3)) and wanted.min() == pytest.approx(0.025)
    assert wanted[0, 2] == pytest.approx(0.9 * 0.7 + 0.025)


@pytest.mark.parametrize("seed", range(4))
def test_multi_label_metrics_are_those_of_scikit_learn(seed: int) -> None:
    reference = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(seed)
    scores, wanted = draw.integers(0, 6, (40, 5)) / 5, draw.random((40, 5)) < 0.3
    wanted[:, 2] = False
    found, have = metrics.multi_label(scores, wanted), [0, 1, 3, 4]
    assert found.mean_ap == pytest.approx(reference.average_precision_score(wanted[:, have], scores[:, have], average="macro"))
    assert found.weighted_ap == pytest.approx(reference.average_precision_score(wanted[:, have], scores[:, have], average="weighted"))
    assert found.mean_auc == pytest.approx(reference.roc_auc_score(wanted[:, have], scores[:, have], average="macro"))
    assert found.ap[2] == 0


def test_the_svm_takes_two_classes_and_a_class_that_training_lacks() -> None:
    pytest.importorskip("sklearn")
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 2], 30)
    x = draw.normal(size=(60, 4)) + 6 * (labels[:, None] == 2)
    clips = np.stack([x[::6], x[::6]], 1)
    (result,) = svm.sweep((x, labels), (clips, labels[::6]), [0.1])
    assert result.decisions.shape == (10, 3) and result.top1 == 100.0
    assert bool(np.isneginf(result.decisions[:, 1]).all())


def test_without_scikit_learn_the_svm_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.preprocessing", None)
    x, y = np.zeros((4, 2)), np.array([0, 0, 1, 1])
    with pytest.raises(ConfigError, match="needs scikit-learn") as error:
        list(svm.sweep((x, y), (x[:, None], y), [1.0]))
    assert "kdpipe[svm]" in error.value.hint


def test_schedules_reach_their_ends() -> None:
    tau, rate = ramp(0.09, 0.11, 30), warmed(constant(1e-3), 1e-3, 5, 1e-6)
    assert [tau(Moment(epoch, 0, 0)) for epoch in (0, 29, 500)] == pytest.approx([0.09, 0.11, 0.11])
    assert [rate(Moment(0, 0, step)) for step in (0, 4, 5)] == pytest.approx([1e-6, 1e-3, 1e-3])
