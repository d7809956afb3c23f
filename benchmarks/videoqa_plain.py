"""DualVGR and the losses of its distillation, operation by operation, for ``benchmarks/videoqa_step.py``.

It works on our network, for its parameters, and calls none of its methods: PyTorch's LSTM, packed by length, a graph at a time and a
head at a time, with all pairs of clips side by side for the logits, losses layer by layer, matrices centred by a product.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from systems.videoqa.decoder import POOLING_DROPOUT
from systems.videoqa.fusion import MFB
from systems.videoqa.gate import EPSILON
from systems.videoqa.graph import GRAPH_DROPOUT, NEGATIVE_SLOPE, PunishGAT
from systems.videoqa.model import DualVGR
from systems.videoqa.question_encoder import EMBEDDING_DROPOUT, QUESTION_DROPOUT
from systems.videoqa.visual import CLIP_DROPOUT, FRAME_DROPOUT


class Said(NamedTuple):
    """Logits (B,A); fused, appearance and motion (B,C,d); per layer the four graphs."""

    logits: Tensor
    fused: Tensor
    appearance: Tensor
    motion: Tensor
    layers: list[tuple[Tensor, Tensor, Tensor, Tensor]]


def lstm(net: nn.LSTM, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """States (B,T,2h), and the last of both directions (B,2h)."""
    if lengths is None:
        states, (last, _) = nn.LSTM.forward(net, x)
    else:
        packed, (last, _) = nn.LSTM.forward(net, pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    return states, last.transpose(0, 1).flatten(1)


def graph(net: PunishGAT, x: Tensor, gate: Tensor, rate: float) -> Tensor:
    """Head by head; the logit of a pair is that of both vectors beside one another."""
    nodes, found = x.shape[1], []
    x = F.dropout(x, rate)
    for head in net.heads:
        values = head.W(x)
        pairs = torch.cat([values.repeat_interleave(nodes, dim=1), values.repeat(1, nodes, 1)], -1)
        logits = F.leaky_relu(head.a(pairs).view(len(x), nodes, nodes), NEGATIVE_SLOPE)
        alpha = F.dropout(logits.softmax(2), rate)
        found.append(F.elu(alpha @ (gate[..., None].expand_as(values) * values)))
    return F.dropout(torch.cat(found, -1), rate)


def fuse(net: MFB, x: Tensor, y: Tensor) -> Tensor:
    product = F.elu(net.linear0(x)) * F.elu(net.linear1(y))
    return F.elu(net.linear_out(product.unflatten(-1, (net.mm_dim, net.factor)).sum(-1)))


def attended(net: nn.Module, common: Tensor, specific: Tensor) -> Tensor:
    """View attention."""
    views = torch.stack([common, specific], 1)
    return (net.project(views).softmax(1) * views).sum(1)  # type: ignore[operator]


def answer(net: DualVGR, appearance: Tensor, motion: Tensor, question: Tensor, lengths: Tensor, drop: float) -> Said:
    """A whole forward pass of one reasoning cycle; ``drop`` is a factor on all published dropout rates."""
    language, reasoning = net.linguistic_input_unit, net.visual_input_unit
    words = torch.tanh(F.dropout(language.encoder_embed(question), drop * EMBEDDING_DROPOUT))
    states, _ = lstm(language.concatRNN.rnn, words, lengths)
    _, asked = lstm(language.encoder, words, lengths)
    asked = F.dropout(asked, drop * QUESTION_DROPOUT)
    clips = torch.tanh(F.dropout(appearance, drop * FRAME_DROPOUT)).flatten(0, 1)
    _, seen = lstm(net.visual_appearance_input_unit.encoder, clips)
    seen = F.dropout(seen, drop * CLIP_DROPOUT)
    a, m = seen.view(*appearance.shape[:2], -1), net.visual_motion_input_unit(motion)

    attention = reasoning.queryAttn[0]
    scores = attention.fc(F.normalize(attention.feat_enhance(states), dim=-1)).squeeze(-1).softmax(1)
    scores = scores * (torch.arange(question.shape[1]) < lengths[:, None])
    guide = torch.bmm((scores / (scores.sum(1, keepdim=True) + EPSILON))[:, None], words).squeeze(1)
    gates = [
        torch.sigmoid((x * unit.query_weight(guide)[:, None]).sum(-1))
        for unit, x in ((reasoning.queryPunish_appear[0], a), (reasoning.queryPunish_motion[0], m))
    ]
    layers, x, y, rate = [], a, m, drop * GRAPH_DROPOUT
    for layer in range(reasoning.graph_layers):
        common = graph(reasoning.acGCN[layer], x, gates[0], rate), graph(reasoning.mcGCN[layer], y, gates[1], rate)
        x, y = graph(reasoning.appearance_GCN[layer], x, gates[0], rate), graph(reasoning.motion_GCN[layer], y, gates[1], rate)
        layers.append((common[0], x, common[1], y))
    a = a + attended(reasoning.attention_appearance[0], layers[-1][0], x)
    m = m + attended(reasoning.attention_motion[0], layers[-1][2], y)
    fused = fuse(reasoning.visualfusion, a, m)
    pooling, decoder = net.feature_aggregation, net.output_unit
    pooled = F.dropout(fused, drop * POOLING_DROPOUT)
    visual = (pooling.attn(F.elu(pooling.v_proj(pooled))).softmax(1) * pooled).sum(1)
    logits = decoder.classifier(torch.cat([visual, decoder.question_proj(asked)], 1))
    return Said(logits, fused, a, m, layers)


def agreement(first: Tensor, second: Tensor) -> Tensor:
    """The common loss of a layer."""
    grams = []
    for nodes in (first, second):
        nodes = F.normalize(nodes - nodes.mean(1, keepdim=True), dim=-1)
        grams.append(torch.bmm(nodes, nodes.transpose(1, 2)))
    return ((grams[0] - grams[1]) ** 2).mean()


def dependence(first: Tensor, second: Tensor) -> Tensor:
    """HSIC of a layer: trace(R K1 R K2), summed over the batch."""
    nodes = first.shape[1]
    centring = torch.eye(nodes) - torch.ones(nodes, nodes) / nodes
    one, two = (centring @ torch.bmm(each, each.transpose(1, 2)) for each in (first, second))
    return torch.diagonal(torch.bmm(one, two), dim1=1, dim2=2).sum()


def hard(said: Said, answers: Tensor, alpha: float, beta: float) -> Tensor:
    """The loss of a network alone."""
    count = len(said.layers)
    common = sum(agreement(ca, cm) for ca, _, cm, _ in said.layers)
    independent = sum(dependence(a, ca) + dependence(m, cm) for ca, a, cm, m in said.layers)
    return F.cross_entropy(said.logits, answers) + alpha * common / count + beta * independent / count


def taught(said: Said, target: Tensor) -> Tensor:
    """Both feature distillations, at a temperature of 1."""
    wanted = target.softmax(-1)
    return sum(F.kl_div(x.log_softmax(-1), wanted, reduction="batchmean") for x in (said.appearance, said.motion))  # type: ignore[return-value]
