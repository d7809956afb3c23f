"""The two passes of a detection iteration, at a small size: who learns from what, and what the switches change."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from models.training.updates import Learner
from systems.gkd.detection.iteration import Sample, Weights, detector_loss, generator_loss, plain_loss
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.published import cvae_for
from systems.gkd.detection.shape import Shape
from systems.gkd.detection.updates import Learning, Settings, learning_parameters, updates
from systems.gkd.switches import DETECTION, switches

SMALL = Shape(n_classes=4, channels=2, frames=64, crop=32, levels=4, width=1 / 16)


def network(kind: str = "student", seed: int = 0, **options: object) -> Detector:
    torch.manual_seed(seed)
    return Detector(kind, SMALL, **options).train()


def sample(*, contrastive: bool = True, batch: int = 1) -> Sample:
    generator = torch.Generator().manual_seed(3)
    clips = torch.randn(2 * batch, 2, 64, 32, 32, generator=generator)
    boundaries = (torch.rand(batch, 2, 64, generator=generator) < 0.2).float()
    targets = [torch.tensor([[0.1, 0.4, 1.0], [0.6, 0.9, 3.0]])] * batch
    contrasts = torch.tensor([[[5.0, 20.0], [30.0, 45.0], [22.0, 28.0]]] * batch)
    return Sample(clips[:batch], targets, boundaries, *((clips[batch:], contrasts) if contrastive else ()))


def noise(shape: Sequence[int]) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(shape[1]))


def learned(module: torch.nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def test_pass_1_teaches_the_cvae_alone() -> None:
    student, cvae, teacher_cvae = network(), cvae_for(SMALL), cvae_for(SMALL)
    result = generator_loss(student, cvae, teacher_cvae, sample().clips, noise)
    result.loss.backward()
    assert learned(cvae) and not learned(student) and not learned(teacher_cvae)
    alone = generator_loss(student, cvae, None, sample().clips, noise)
    distilled = 0.01 * (result.terms["generative_4f"] + result.terms["generative_5c"])
    torch.testing.assert_close(result.loss, alone.loss + distilled)


def test_pass_2_teaches_the_network_alone() -> None:
    student, cvae, teacher = network(), cvae_for(SMALL), network("teacher", 1)
    detector_loss(student, cvae, teacher, sample(), 1, noise=noise).loss.backward()
    assert learned(student) and not learned(cvae) and not learned(teacher)
    assert all(p.requires_grad for p in cvae.parameters())
    assert {name for name, p in student.named_parameters() if p.grad is None} == set()


def test_what_is_left_out_has_no_terms() -> None:
    student = network()
    whole = detector_loss(student, cvae_for(SMALL), network("teacher", 1), sample(), 1).terms
    assert set(whole) - set(detector_loss(student, None, None, sample(), 1).terms) == {
        f"{term}_{level}" for term in ("attention", "contrastive_attention", "reconstruction") for level in ("4f", "5c")
    }
    without = detector_loss(student, None, None, sample(contrastive=False), 1).terms
    assert "triplet" in whole and "triplet" not in without


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    result = detector_loss(network(), cvae_for(SMALL), network("teacher", 1), sample(), 10, Weights(beta=3.0))
    weights = {"loc": 10, "prop_loc": 10, "background": 35, "triplet": 0.1, "reconstruction_4f": 0.25, "reconstruction_5c": 0.25}
    weights |= {f"{kind}_{level}": 3 for kind in ("attention", "contrastive_attention") for level in ("4f", "5c")}
    total = sum(weights.get(name, 1) * value for name, value in result.terms.items())
    torch.testing.assert_close(result.loss, total)


def test_the_reconstruction_grows_over_twenty_epochs() -> None:
    student, cvae = network(), cvae_for(SMALL)

    def loss(epoch: int) -> float:
        return detector_loss(student, cvae, None, sample(), epoch, noise=noise).loss.item()

    assert loss(40) == loss(20) > loss(10) > loss(1)


def test_overwritten_features_are_the_contrastive_clips_or_the_background() -> None:
    student, cvae = network(), cvae_for(SMALL)
    for given in (sample(), sample(contrastive=False)):
        raw, released = (
            detector_loss(student, cvae, None, given, 1, noise=noise, reconstructed=how).terms for how in ("raw", "overwritten")
        )
        assert {name for name in raw if not torch.equal(raw[name], released[name])} == {"reconstruction_4f", "reconstruction_5c"}


def test_a_batch_may_hold_clips_without_a_contrastive_one() -> None:
    two = sample(batch=2)
    assert two.contrastive_clips is not None and two.contrasts is not None
    some = replace(two, contrastive_clips=two.contrastive_clips[1:], contrasts=two.contrasts[1:])
    terms = detector_loss(network(), cvae_for(SMALL), None, some, 1).terms
    assert bool(torch.isfinite(torch.stack(list(terms.values()))).all())


def test_plain_afsd_has_no_background_pass_and_no_attention() -> None:
    net = network(attention=False)
    result = plain_loss(net, sample())
    result.loss.backward()
    assert learned(net)
    assert set(result.terms) == {"loc", "conf", "prop_loc", "prop_conf", "center", "start", "end", "triplet"}


def test_scales_and_shifts_learn_or_stay_as_the_switch_says() -> None:
    net = network()
    trained, frozen = len(learning_parameters(net, "trained")), len(learning_parameters(net, "frozen"))
    assert trained - frozen == 2 * 57 == 114
    assert len(learning_parameters(net, "trained")) == trained


def parameters_after_an_epoch(learning: Learning, one: Sample) -> Mapping[str, Tensor]:
    for update in updates(learning, Settings(lr=1e-4), lambda epoch: [0, 1], lambda epoch, batch: one):
        learner = Learner(update)
        for batch in update.batches(0):
            learner.learn(batch, 0, last=batch[1] == 1)
    return dict(learning.network.named_parameters())


def test_an_epoch_moves_the_cvae_and_then_the_network() -> None:
    net, cvae = network(), cvae_for(SMALL)
    before = {name: p.detach().clone() for name, p in (*net.named_parameters(), *cvae.named_parameters())}
    learning = Learning(net, cvae, network("teacher", 1), cvae_for(SMALL), noise=noise)
    assert [update.name for update in updates(learning, Settings(), lambda epoch: [], lambda epoch, batch: sample())] == ["cvae", "network"]
    after = dict(parameters_after_an_epoch(learning, sample())) | dict(cvae.named_parameters())
    still = [name for name, value in before.items() if torch.equal(value, after[name])]
    assert [name for name in still if not name.endswith(".bn.bias")] == []  # a shift of 0 whose channel is dead has no reason to move
    assert len(still) < len(before) / 10


def test_a_network_without_attention_or_cvae_has_one_pass() -> None:
    for learning in (Learning(network(attention=False), cvae_for(SMALL)), Learning(network())):
        assert [update.name for update in updates(learning, Settings(), lambda epoch: [], lambda epoch, batch: sample())] == ["network"]


def test_every_switch_is_one_that_the_code_asks_for() -> None:
    released = switches("released", DETECTION)
    net = Detector("student", SMALL, pooling_gradient=released["pooling_gradient"], weighting=released["weighting"])
    result = Learning(net, cvae_for(SMALL), switches=released).detect(sample(), 1)
    assert bool(torch.isfinite(result.loss))
