"""Single modules of DualVGR."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from systems.videoqa.decoder import AnswerDecoder, ClipPooling
from systems.videoqa.fusion import MFB
from systems.videoqa.gate import QueryPunishment, WordAttention
from systems.videoqa.graph import PunishGAT
from systems.videoqa.question_encoder import QuestionEncoder
from systems.videoqa.reasoning import ViewAttention
from systems.videoqa.visual import AppearanceEncoder
from tests.parity.case import Case, handles


@torch.no_grad()
def call(case: Case, module: nn.Module, *inputs: Any) -> Any:
    """Fill a module and run it in eval mode; inputs are names of the case's arrays, or tensors, or None."""
    arrays = case.inputs
    values = [torch.from_numpy(arrays[value]) if isinstance(value, str) else value for value in inputs]
    return case.fill(module).eval()(*values)


@handles("module_punish_gat*")
def punish_gat(case: Case) -> dict[str, Tensor]:
    """The original takes gates repeated over the columns of a head; all columns are equal."""
    config = case.config
    gat = PunishGAT(config["n_feat"], config["n_hid"], heads=config["n_heads"], dropout=config["dropout"], negative_slope=config["alpha"])
    scores = case.inputs.get("scores")
    gate = None if scores is None else torch.from_numpy(scores[..., 0].copy())
    adjacency = torch.from_numpy(case.inputs["adj"]) if "adj" in case.inputs else None
    return {"out": call(case, gat, "x", gate, adjacency)}


@handles("module_mfb*")
def mfb(case: Case) -> dict[str, Tensor]:
    config = case.config
    sizes = {name: config[name] for name in ("mm_dim", "factor", "normalize") if name in config}
    return {"out": call(case, MFB(tuple(config["input_dims"]), config["output_dim"], **sizes), "x0", "x1")}


@handles("module_context_self_attn*")
def context_self_attn(case: Case) -> dict[str, Tensor]:
    return {"out": call(case, ClipPooling(case.config["module_dim"]), "visual_feat")}


@handles("module_attention_sfgcn*")
def attention_sfgcn(case: Case) -> dict[str, Tensor]:
    out, beta = call(case, ViewAttention(case.config["in_size"]), "z")
    return {"out": out, "beta": beta}


@handles("module_query_attn*")
def query_attn(case: Case) -> dict[str, Tensor]:
    module = WordAttention(case.config["module_dim"])
    vector, attention = call(case, module, "word_embedding", "dynamic_question_embedding", "question_len")
    return {"word_vector": vector, "attn": attention}


@handles("module_query_punish*")
def query_punish(case: Case) -> dict[str, Tensor]:
    """The original repeats each gate over a quarter of module_dim."""
    word_dim, module_dim = case.config["word_dim"], case.config["module_dim"]
    gate = call(case, QueryPunishment(word_dim, module_dim), "question_guided", "visual_feature")
    return {"scores": gate[..., None].expand(*gate.shape, module_dim // 4)}


@handles("module_output_unit*")
def output_unit(case: Case) -> dict[str, Tensor]:
    decoder = AnswerDecoder(case.config["module_dim"], case.config["num_answers"])
    return {"logits": call(case, decoder, "question_embedding", "visual_embedding")}


@handles("module_appearance_encoder*")
def appearance_encoder(case: Case) -> dict[str, Tensor]:
    encoder = AppearanceEncoder(case.config["appearance_dim"], case.config["module_dim"])
    return {"out": call(case, encoder, "appearance_clips")}


@handles("module_question_encoder*")
def question_encoder(case: Case) -> dict[str, Tensor]:
    config = case.config
    encoder = QuestionEncoder(config["vocab_size"], config["wordvec_dim"], config["rnn_dim"])
    question, words, states = call(case, encoder, "questions", "question_len")
    return {"question_embedding": question, "words": words, "output_embedding": states}
