"""A whole training iteration of detection and of a plain re-creation, at 256x96x96, for ``benchmarks/steps.py``.

The plain one is written from the formulas, as the published program works: normalisation layers of their own, the head level by level and
whole for the background too, attention convolved over all positions, a teacher that records gradients and gets them. Its boundary
pooling, of which the published program has no CPU version, is a loop over segments with all channels at once. Both start from the same
weights and noise; losses are compared, and gradients at a small width.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from systems.gkd.cvae import CVAE
from systems.gkd.detection.iteration import Sample, Weights, detector_loss, generator_loss
from systems.gkd.detection.losses import boundary_losses, contrastive, multisegment
from systems.gkd.detection.matching import gaps
from systems.gkd.detection.networks import Detector, Maps, background_of, weighted_by
from systems.gkd.detection.proposals import proposals, widened
from systems.gkd.detection.published import cvae_for
from systems.gkd.detection.pyramid import CoarsePyramid, Detections
from systems.gkd.detection.shape import Shape
from systems.gkd.generative_losses import GENERATIVE, cvae_loss, ramp, squared

SIZES = {"frames": 256, "crop": 96, "levels": 6, "width": 1.0}
ALLOWED = {"loss": 1e-4, "second loss": 1e-3}
COUNTED = "ours"
EPOCH = 7
Networks = tuple[Detector, CVAE, Detector, CVAE]
#: pass 1, then pass 2: losses of networks, a sample and noise
Passes = Callable[[Networks, Sample, Callable[[Sequence[int]], Tensor]], Iterator[Tensor]]


def pooled(x: Tensor, segments: Tensor) -> Tensor:
    """Boundary max pooling, segment by segment."""
    bounds = segments.clamp(0, x.shape[2] - 1).long().tolist()
    halves, rows = x.chunk(2, 1), []
    for b, of_clip in enumerate(bounds):
        columns = [torch.cat([half[b, :, s[i] : max(s[i], s[i + 1]) + 1].amax(-1) for half, i in zip(halves, (0, 2))]) for s in of_clip]
        rows.append(torch.stack(columns, -1))
    return torch.stack(rows)


def pyramid_of(head: CoarsePyramid, maps: Maps) -> tuple[list[Tensor], Tensor]:
    """Levels, and the frame-level feature."""
    fine, coarse = head.pyramids[0](maps.map_4f).flatten(2), head.pyramids[1](maps.map_5c).flatten(2)
    found = [fine + F.interpolate(coarse, size=fine.shape[2], mode="nearest"), coarse]
    for module in head.pyramids[2:]:
        found.append(module(found[-1]))
    return found, head.deconv(F.interpolate(found[0], size=head.frames, mode="nearest"))


def plain_head(head: CoarsePyramid, maps: Maps) -> Detections:
    """The whole head, level by level."""
    found, frames = pyramid_of(head, maps)
    columns: list[list[Tensor]] = [[] for _ in range(5)]
    level_0: list[Tensor] = [frames]
    offset = 0
    for level, x in enumerate(found):
        loc_x, conf_x = head.loc_tower(x), head.conf_tower(x)
        t = x.shape[2]
        priors = head.priors[offset : offset + t]
        offset += t
        loc = head.loc_heads[level](head.loc_head(loc_x)).transpose(1, 2)
        in_steps, in_frames = proposals(loc, priors, (t,), head.frames)
        refined = []
        for branch, towered in ((head.loc_proposal_branch, loc_x), (head.conf_proposal_branch, conf_x)):
            boundary = branch.lr_conv(towered)
            parts = [branch.roi_conv(pooled(frames, in_frames)), pooled(boundary, in_steps), branch.cur_point_conv(towered)]
            refined.append(branch.proposal_conv(torch.cat(parts, 1)))
            level_0 += [boundary] if level == 0 else []
        outputs = (head.conf_head(conf_x), head.prop_loc_head(refined[0]), head.prop_conf_head(refined[1]), head.center_head(refined[0]))
        for column, value in zip(columns, (loc, *(y.transpose(1, 2) for y in outputs)), strict=True):
            column.append(value)
    loc, conf, prop_loc, prop_conf, center = (torch.cat(column, 1) for column in columns)
    halves = [half for x in level_0 for half in x.transpose(1, 2).chunk(2, 2)]
    return Detections(loc, conf, prop_loc, prop_conf, center, head.priors, *halves)


def plain_contrast(head: CoarsePyramid, maps: Maps, segments: Tensor) -> Tensor:
    found, frames = pyramid_of(head, maps)
    towers = ((head.loc_tower, head.loc_proposal_branch), (head.conf_tower, head.conf_proposal_branch))
    features = [frames, *(branch.lr_conv(tower(found[0])) for tower, branch in towers)]
    start, end = segments.unbind(-1)
    wide = widened(start, end, end - start + 1)
    taken = [pooled(x, wide / stride).chunk(2, 1) for x, stride in zip(features, (1, 4, 4), strict=True)]
    return contrastive([(ends[..., 0], starts[..., 1], starts[..., 2]) for starts, ends in taken])


def plain_maps(net: Detector, clips: Tensor) -> tuple[Maps, Maps]:
    """Feature maps and attention."""
    stages = net.backbone.net.stages(clips)
    maps = Maps(stages["Mixed_4f"], stages["Mixed_5c"])
    parts = ((net.deconv2, net.Att_Head_4f), (net.deconv1, net.Att_Head_5c))
    attention = [
        head(F.interpolate(reduce(x).flatten(2), x.shape[1], mode="nearest")) for x, (reduce, head) in zip(maps, parts, strict=True)
    ]
    return maps, Maps(*attention)


def plain(networks: Networks, sample: Sample, noise: Callable[[Sequence[int]], Tensor]) -> Iterator[Tensor]:
    """Both passes, as they are written down."""
    student, cvae, teacher, teacher_cvae = networks
    learning(student, False)
    maps, attention = plain_maps(student, sample.clips)
    made = [
        net(maps[i], attention[i], noise((1, attention[i].shape[2], attention[i].shape[1]))) for net in (cvae, teacher_cvae) for i in (1, 0)
    ]
    loss = cvae_loss(maps[0], made[1], attention[0]) + cvae_loss(maps[1], made[0], attention[1])
    yield loss + GENERATIVE * (squared(made[1].features, made[3].features) + squared(made[0].features, made[2].features))
    learning(student, True)
    learning(cvae, False)
    weights, head = Weights(), student.coarse_pyramid_detection
    maps, attention = plain_maps(student, sample.clips)
    total = torch.zeros(())
    for view, targets in ((weighted_by, sample.targets), (background_of, [gaps(target) for target in sample.targets])):
        found = plain_head(head, view(maps, attention))
        of = multisegment(found, targets, sample.boundaries.shape[-1], weights.piou)
        if view is weighted_by:
            start, end = boundary_losses(found, sample.boundaries)
            total = total + weights.lw * (of.loc + of.prop_loc) + weights.cw * (of.conf + of.prop_conf + of.center) + start + end
        else:
            total = total + weights.background * (weights.lw * of.loc + weights.cw * of.conf)
    assert sample.contrastive_clips is not None and sample.contrasts is not None
    other, other_attention = plain_maps(student, sample.contrastive_clips)
    total = total + weights.ssl * plain_contrast(head, weighted_by(other, other_attention), sample.contrasts)
    for clips, mine in ((sample.contrastive_clips, other_attention), (sample.clips, attention)):
        _, wanted = plain_maps(teacher, clips)
        total = total + weights.beta * (squared(mine[0], wanted[0]) + squared(mine[1], wanted[1]))
    samples = [cvae.sample(a, noise((1, a.shape[2], a.shape[1]))) for a in attention]
    yield total + ramp(EPOCH) * (squared(samples[0], maps[0]) + squared(samples[1], maps[1]))
    learning(cvae, True)


def learning(net: nn.Module, wanted: bool) -> None:
    for parameter in net.parameters():
        parameter.requires_grad_(wanted)


def ours(networks: Networks, sample: Sample, noise: Callable[[Sequence[int]], Tensor]) -> Iterator[Tensor]:
    student, cvae, teacher, teacher_cvae = networks
    yield generator_loss(student, cvae, teacher_cvae, sample.clips, noise).loss
    yield detector_loss(student, cvae, teacher, sample, EPOCH, noise=noise).loss


WAYS: dict[str, Passes] = {"plain": plain, "ours": ours}


def setting(options: argparse.Namespace) -> tuple[Networks, Sample]:
    """Networks with the same weights, a clip, a contrastive one."""
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    shape = Shape(frames=options.frames, crop=options.crop, levels=options.levels, width=options.width)
    student, teacher = Detector("student", shape).train(), Detector("teacher", shape).train()
    networks = (student, cvae_for(shape), teacher, cvae_for(shape))
    clips = torch.rand(2, 3, shape.frames, shape.crop, shape.crop) * 2 - 1
    targets = [torch.tensor([[0.1, 0.3, 3.0], [0.5, 0.65, 7.0]])]
    part = shape.frames / 256
    contrasts = torch.tensor([[[30.0, 70.0], [90.0, 150.0], [71.0, 89.0]]]) * part
    return networks, Sample(clips[:1], targets, (torch.rand(1, 2, shape.frames) < 0.1).float(), clips[1:], contrasts)


def seeded() -> Callable[[Sequence[int]], Tensor]:
    generator = torch.Generator().manual_seed(5)
    return lambda shape: torch.randn(*shape, generator=generator)


def run(way: str, networks: Networks, sample: Sample, steps: Sequence[torch.optim.Optimizer] = ()) -> list[float]:
    """Both passes with a step each; the losses."""
    losses = []
    for i, loss in enumerate(WAYS[way](networks, sample, seeded())):
        loss.backward()
        if steps:
            steps[i].step()
        losses.append(loss.item())
        if steps:
            steps[i].zero_grad()
    return losses


class Iteration:
    """A side: networks, a clip, a contrastive one, two optimizers. Ours move in one fused step each, as the loop has it."""

    def __init__(self, options: argparse.Namespace, way: str) -> None:
        self.way = way
        self.networks, self.sample = setting(options)
        fused = {"fused": True} if way == "ours" else {}
        student, cvae, *_ = self.networks
        self.steps = [
            torch.optim.Adam(cvae.parameters(), lr=1e-4, betas=(0.8, 0.999), **fused),
            torch.optim.Adam(student.parameters(), lr=1e-6, weight_decay=1e-3, **fused),
        ]

    def learn(self) -> Mapping[str, float]:
        """Both passes, with a step each."""
        return dict(zip(("make", "detect"), run(self.way, self.networks, self.sample, self.steps), strict=True))

    def computed(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Nothing but the losses."""
        return {}


SIDES = {way: partial(Iteration, way=way) for way in WAYS}


def check(options: argparse.Namespace) -> str:
    """Raise AssertionError unless both ways have the same losses and gradients, of narrow networks."""
    networks, sample = setting(argparse.Namespace(**{**vars(options), "width": min(options.width, 1 / 8)}))
    answers = []
    for way in WAYS:
        own = copy.deepcopy(networks)
        losses = run(way, own, sample)
        answers.append((losses, {f"{i}.{n}": p.grad for i in range(2) for n, p in own[i].named_parameters()}))
    (first, one), (second, other) = answers
    torch.testing.assert_close(torch.tensor(first), torch.tensor(second), rtol=1e-4, atol=1e-5)
    worst = 0.0
    for name, gradient in one.items():
        assert gradient is not None and other[name] is not None, name
        scale = float(gradient.abs().max())
        worst = max(worst, float((gradient - other[name]).abs().max()) / scale if scale > 1e-12 else 0.0)
    assert worst < 2e-2, f"gradients differ by {worst:.1e} of their largest entry"
    return f"losses {first[0]:.4f}, {first[1]:.2f}; gradients agree to {worst:.1e} of their largest entry"
