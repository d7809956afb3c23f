"""The released pre-training step of XKD, re-created operation by operation, for ``benchmarks/xkd.py``.

It works on our networks, for their parameters, and calls none of their methods: matrices of attention weights in every block, all patches
projected before some are hidden, one view after another, losses view by view, AdamW and the moving averages one tensor after another.
Alignment is computed in float64 with an exact diagonal, as ours is: in float32 it is rounding noise, which no two programs share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from systems.xkd.blocks import Blocks
from systems.xkd.encoder import Encoder
from systems.xkd.head import Head
from systems.xkd.losses import GAMMAS, Distillation
from systems.xkd.mae import Autoencoder
from systems.xkd.model import XKD

Noise = tuple[Tensor, Tensor]
RATIOS = (0.85, 0.80)
#: of the teacher, video and audio; of all students
TEACHER_TAUS, STUDENT_TAU = (0.1, 0.07), 0.1


def blocks(net: Blocks, x: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens (B, N, D) through all blocks, and the last one's attention (B, heads, N, N)."""
    weights = x
    for block in net.blocks:
        attn, mlp = block.attn, block.mlp
        b, n, dim = x.shape
        q, k, v = attn.qkv(block.norm1(x)).reshape(b, n, 3, attn.heads, dim // attn.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (dim // attn.heads) ** -0.5).softmax(-1)
        x = x + attn.proj((weights @ v).transpose(1, 2).reshape(b, n, dim))
        x = x + mlp.fc2(F.gelu(mlp.fc1(block.norm2(x))))
    return x, weights


def encode(net: Encoder, x: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Final-normed tokens (B, 1 + N, D), and the last block's attention."""
    positions = net.geometry.positions(net.enc_pos_embed, tuple(x.shape))
    tokens = net.embed(net.geometry.patches(x)) + positions[:, 1:]
    if kept is not None:
        tokens = tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[-1]))
    found, weights = blocks(net.encoder, torch.cat([(net.cls_token + positions[:, :1]).expand(len(x), -1, -1), tokens], 1))
    return net.encoder_norm(found), weights


def rebuilt(net: Autoencoder, x: Tensor, noise: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """The latent (B, 1 + n, D), and the loss of the hidden patches."""
    n = noise.shape[1]
    shuffle = noise.argsort(1)
    restore, kept = shuffle.argsort(1), shuffle[:, : round(n * (1 - ratio))]
    mask = torch.ones_like(noise)
    mask[:, : kept.shape[1]] = 0
    mask = mask.gather(1, restore)
    latent, _ = encode(net.encoder, x, kept)
    seen = net.mid_proj(latent)
    rows = torch.cat([seen[:, 1:], net.mask_token.repeat(len(x), n - kept.shape[1], 1)], 1)
    rows = rows.gather(1, restore[..., None].repeat(1, 1, rows.shape[-1]))
    decoded, _ = blocks(net.decoder, torch.cat([seen[:, :1], rows], 1) + net.dec_pos_embed)
    predicted, target = net.out_proj(decoded)[:, 1:], net.encoder.geometry.patches(x)
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6) ** 0.5
    return latent, (((predicted - target) ** 2).mean(-1) * mask).sum() / mask.sum()


def head(net: Head, x: Tensor) -> Tensor:
    """(B, D) to (B, K)."""
    direction = net.last_layer.weight_v
    directed = direction * (net.last_layer.weight_g / direction.norm(dim=1, keepdim=True))
    return F.layer_norm(F.linear(F.normalize(net.mlp(x), dim=-1), directed), directed.shape[:1])


def refined(own: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """The pooled feature (B, D) of tokens and attention of a teacher, weighed with the outer product of both attentions."""
    features, seen, heard = own[0][:, 1:], own[1][:, :, 0, 1:], other[1][:, :, 0, 1:]
    crossed = (seen[..., None] * heard[..., None, :]).mean(-1) / seen.mean(-1, keepdim=True)
    weighed = crossed.mean(1)[..., None] * features
    gain = (features.mean(1).square().sum(-1) / weighed.mean(1).square().sum(-1)).sqrt()
    return (gain[:, None, None] * weighed).mean(1)


def aligned(x: Tensor, y: Tensor) -> Tensor:
    """MMD² of rows (n, K) and (m, K), in float64 with an exact diagonal."""

    def k(a: Tensor, b: Tensor) -> Tensor:
        a, b = a.double(), b.double()
        distances = (a.square().sum(-1)[:, None] + b.square().sum(-1) - 2 * a @ b.T).clamp_min(1e-30)
        if len(a) == len(b) and torch.equal(a, b):
            distances = distances.masked_fill(torch.eye(len(a), dtype=torch.bool), 0.0)
        return torch.stack([torch.exp(-gamma * distances) for gamma in GAMMAS]).sum(0).mean()

    return (k(x, x) + k(y, y) - 2 * k(x, y)).to(x.dtype)


def distilled(net: Distillation, student: Tensor, teacher: Tensor, tau: float) -> Tensor:
    """Cross-entropy, view by view; the centre moves."""
    wanted = ((teacher - net.center) / tau).softmax(-1)
    views = (student / STUDENT_TAU).chunk(len(student) // len(teacher))
    loss = sum((-wanted * view.log_softmax(-1)).sum(-1).mean() for view in views) / len(views)
    net.center = net.center * 0.9 + teacher.mean(0, keepdim=True) * 0.1
    return loss  # type: ignore[return-value]


def losses(net: XKD, video: Sequence[Tensor], audio: Sequence[Tensor], noise: Noise) -> dict[str, Tensor]:
    """All losses of a batch; teachers see the first local view."""
    found, students = {}, []
    sides = (net.vid_student, net.vid_ae, video), (net.aud_student, net.aud_ae, audio)
    for name, (student, autoencoder, views), own, ratio in zip(("vid", "aud"), sides, noise, RATIOS):
        latent, found[f"{name}_recon_loss"] = rebuilt(autoencoder, views[0], own, ratio)
        features = [latent[:, 1:].mean(1)]
        for view in views[1:]:
            features.append(encode(student.backbone, view)[0][:, 1:].mean(1))
        students.append(head(student.head, torch.cat(features)))
    with torch.no_grad():
        seen, heard = encode(net.vid_teacher.backbone, video[1]), encode(net.aud_teacher.backbone, audio[1])
        teachers = [head(net.vid_teacher.head, refined(seen, heard)), head(net.aud_teacher.head, refined(heard, seen))]
    found["as2vs_align_loss"], found["vt2at_align_loss"] = aligned(*students), aligned(*teachers)
    found["vt2as_kd_loss"] = distilled(net.vt2as_ce_loss, students[1], teachers[0], TEACHER_TAUS[0])
    found["at2vs_kd_loss"] = distilled(net.at2vs_ce_loss, students[0], teachers[1], TEACHER_TAUS[1])
    pairs = {name: (one + other) / 2 for name, one, other in zip(("recon", "align", "kd"), *(list(found.values())[i::2] for i in (0, 1)))}
    return found | {"loss": (pairs["align"] + pairs["kd"] + 5 * pairs["recon"]) / 7}


def optimizer(net: XKD, rate: float, decay: float) -> torch.optim.Optimizer:
    """AdamW, one tensor after another."""
    named = [(name, each) for name, each in net.named_parameters() if each.requires_grad]
    still = [each for name, each in named if each.ndim == 1 or name.endswith(".bias")]
    rest = [each for name, each in named if not (each.ndim == 1 or name.endswith(".bias"))]
    groups: list[dict[str, Any]] = [{"params": still, "weight_decay": 0.0}, {"params": rest, "weight_decay": decay}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), foreach=False, fused=False)


def clip(net: nn.Module, longest: float = 0.3) -> None:
    """Each gradient on its own."""
    for parameter in net.parameters():
        if parameter.grad is not None:
            share = longest / (parameter.grad.norm(2) + 1e-6)
            if share < 1:
                parameter.grad.mul_(share)


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """One parameter after another."""
    for own, theirs in zip(teacher.parameters(), student.parameters()):
        own.mul_(momentum).add_((1 - momentum) * theirs)


def step(net: XKD, moves: torch.optim.Optimizer, batch: Any, momentum: float, gradients: str) -> dict[str, float]:
    """A whole step; its losses. ``gradients``: ``zero`` sets the old ones to 0, as the released program's PyTorch (1.7) does; ``none``
    drops them, as the same line does since PyTorch 2."""
    moves.zero_grad(set_to_none=gradients == "none")
    found = losses(net, *batch)
    found["loss"].backward()
    clip(net.vid_student)
    clip(net.aud_student)
    moves.step()
    follow(net.vid_teacher, net.vid_student, momentum)
    follow(net.aud_teacher, net.aud_student, momentum)
    return {name: float(value.detach()) for name, value in found.items()}
