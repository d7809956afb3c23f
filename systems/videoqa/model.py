"""DualVGR (Wang, Bao, Xu, IEEE TMM 2021) as used by MKD (Shao, Wan, Zong, Information 2023).

One class serves the base network, the teacher (graph_layers 4) and the student (graph_layers 1).
Symbols: B batch, U distinct videos of the batch, C clips, F frames per clip, T tokens, V = vision_dim, d = module_dim,
w = word_dim, A answers. Every departure of the published code that we keep is a named switch; see docs/systems/videoqa.md.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from cache.errors import ConfigError, DataError, one_of
from systems.videoqa.decoder import AnswerDecoder, ClipPooling
from systems.videoqa.gate import WordSoftmax
from systems.videoqa.question_encoder import QuestionEncoder
from systems.videoqa.reasoning import GraphIndex, VisualReasoning
from systems.videoqa.visual import AppearanceEncoder

VideoDropout = Literal["paper", "shared"]


class DualVGROutput(NamedTuple):
    """``logits`` (B,A); every other tensor is (B,C,d), see :class:`systems.videoqa.reasoning.Reasoned`."""

    logits: Tensor
    fused: Tensor
    appearance: Tensor
    motion: Tensor
    e_appearance: Tensor
    e_motion: Tensor
    com_app: list[Tensor]
    com_motion: list[Tensor]
    aq_fusion: list[Tensor]
    mq_fusion: list[Tensor]


class DualVGR(nn.Module):
    """Answer questions about videos from per-frame appearance and per-clip motion features.

    num_of_nodes:  C of the features; others are refused.
    dropout:       factor on all published dropout rates (0 turns every dropout off).
    graph_index:   which graph modules a cycle uses, see :class:`systems.videoqa.reasoning.VisualReasoning`.
    word_softmax:  whether padding takes part in the word attention, see :class:`systems.videoqa.gate.WordAttention`.
    video_dropout: only matters in training with ``video_index``: ``"paper"`` draws masks for every question, so every
                   question encodes its video; ``"shared"`` encodes each video of the batch once, and its questions share the masks.
    """

    def __init__(
        self,
        *,
        question_vocab_size: int,
        answer_vocab_size: int,
        num_of_nodes: int,
        vision_dim: int = 2048,
        module_dim: int = 768,
        word_dim: int = 300,
        graph_layers: int = 1,
        unit_layers: int = 1,
        dropout: float = 1.0,
        graph_index: GraphIndex = "paper",
        word_softmax: WordSoftmax = "paper",
        video_dropout: VideoDropout = "paper",
    ) -> None:
        super().__init__()
        if module_dim % 4:
            raise ConfigError(f"module_dim must be divisible by 4 (four attention heads), not {module_dim}")
        if graph_layers < 1 or unit_layers < 1:
            raise ConfigError(f"graph_layers and unit_layers must be at least 1, not {graph_layers} and {unit_layers}")
        one_of("video_dropout", video_dropout, ("paper", "shared"))
        self.num_of_nodes, self.module_dim, self.video_dropout = num_of_nodes, module_dim, video_dropout
        self.feature_aggregation = ClipPooling(module_dim, dropout=dropout)
        self.linguistic_input_unit = QuestionEncoder(question_vocab_size, word_dim, module_dim, dropout=dropout)
        self.visual_appearance_input_unit = AppearanceEncoder(vision_dim, module_dim, dropout=dropout)
        self.visual_motion_input_unit = nn.Linear(vision_dim, module_dim)
        self.visual_input_unit = VisualReasoning(
            module_dim,
            word_dim,
            graph_layers=graph_layers,
            unit_layers=unit_layers,
            dropout=dropout,
            graph_index=graph_index,
            word_softmax=word_softmax,
        )
        self.output_unit = AnswerDecoder(module_dim, answer_vocab_size, dropout=dropout)
        self._initialise()

    def _initialise(self) -> None:
        """Xavier-uniform weights and zero biases for every Linear and LSTM, embedding from U(-1,1) (spec 5.6)."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.LSTM):
                for parameter in module.parameters(recurse=False):
                    if parameter.dim() > 1:
                        nn.init.xavier_uniform_(parameter)
                    else:
                        nn.init.zeros_(parameter)
        nn.init.uniform_(self.linguistic_input_unit.encoder_embed.weight, -1.0, 1.0)

    @torch.no_grad()
    def load_glove(self, matrix: Tensor) -> None:
        """Start the (trained) embedding from ``matrix`` float32 (question vocabulary, word_dim); raises DataError on other shapes."""
        weight = self.linguistic_input_unit.encoder_embed.weight
        if tuple(matrix.shape) != tuple(weight.shape):
            raise DataError(
                f"the word vectors are {list(matrix.shape)}, the network wants {list(weight.shape)}",
                hint="encode the questions again: kdpipe questions",
            )
        weight.copy_(matrix)

    def forward(
        self, appearance: Tensor, motion: Tensor, question: Tensor, question_len: Tensor, video_index: Tensor | None = None
    ) -> DualVGROutput:
        """Answer B questions.

        appearance: (B,C,F,V) float32;  motion: (B,C,V);  question: (B,T) int64;  question_len: (B,), any order.
        With ``video_index`` (B,) the first two hold the U distinct videos of the batch, (U,C,F,V) and (U,C,V), and question b
        asks about video ``video_index[b]``: same numbers, but a video is encoded once (in training only if ``video_dropout="shared"``).
        """
        if appearance.shape[1] != self.num_of_nodes or motion.shape[1] != self.num_of_nodes:
            raise DataError(
                f"the network reads {self.num_of_nodes} clips per video, the features have {appearance.shape[1]} and {motion.shape[1]}",
                hint="set num_of_nodes to the clips of the features, or extract again with that many clips",
            )
        encoded = self.linguistic_input_unit(question, question_len)
        clips, moves = self._encode_videos(appearance, motion, video_index)
        reasoned = self.visual_input_unit(encoded, question_len, clips, moves)
        logits = self.output_unit(encoded.question, self.feature_aggregation(reasoned.fused))
        return DualVGROutput(logits, *reasoned)

    def _encode_videos(self, appearance: Tensor, motion: Tensor, video_index: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the clip features (B,C,d) of both modalities, one row per question."""
        if video_index is not None and self.training and self.video_dropout == "paper":
            return self.visual_appearance_input_unit(appearance, video_index), self.visual_motion_input_unit(motion[video_index])
        clips = self.visual_appearance_input_unit(appearance)
        moves = self.visual_motion_input_unit(motion)
        if video_index is None:
            return clips, moves
        return clips.index_select(0, video_index), moves.index_select(0, video_index)
