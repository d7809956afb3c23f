"""The whole network of pre-training: two students, two teachers that follow them, two autoencoders (spec 1, 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cache.errors import one_of
from systems.xkd import mae
from systems.xkd.blocks import BASE, Blocks, Width
from systems.xkd.encoder import Encoder, pooled
from systems.xkd.head import PUBLISHED, Head, HeadWidth
from systems.xkd.losses import Distillation, mmd
from systems.xkd.patches import AUDIO, VIDEO, Audio, Geometry, Video
from systems.xkd.refine import cross_attention, refined

#: variant -> whether the students share their blocks, and the teachers theirs
VARIANTS: Mapping[str, tuple[bool, bool]] = {"xkd": (False, False), "xkd_mas": (True, False), "xkd_mats": (True, True)}


@dataclass(frozen=True)
class Sizes:
    """All widths, and the inputs that the position tables are for; the defaults are the published ones."""

    video: Video = VIDEO
    audio: Audio = AUDIO
    encoder: Width = BASE
    decoder: Width = mae.DECODER
    head: HeadWidth = PUBLISHED


@dataclass(frozen=True)
class Objective:
    """What is minimised: (align A + distil K + reconstruct R) / (align + distil + reconstruct). A part of coefficient 0 is not computed.

    The last three are switches of :mod:`systems.xkd.switches`.
    """

    align: float = 1.0
    distil: float = 1.0
    reconstruct: float = 5.0
    video_ratio: float = 0.85
    audio_ratio: float = 0.80
    refine: str = "mean"
    teacher_view: str = "index1"
    student_tau: str = "own"
    mmd: str = "double"


@dataclass(frozen=True)
class Temperatures:
    """Of the softmax of each output."""

    video_teacher: float = 0.1
    audio_teacher: float = 0.07
    video_student: float = 0.1
    audio_student: float = 0.1


SIZES, OBJECTIVE, TEMPERATURES = Sizes(), Objective(), Temperatures()


class Side(nn.Module):
    """``backbone`` and ``head``: a student, or a teacher."""

    def __init__(self, backbone: Encoder, head: Head) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head


class XKD(nn.Module):
    """Everything that a published training state holds, under its names; what is shared appears under every name."""

    def __init__(self, variant: str = "xkd", sizes: Sizes = SIZES, objective: Objective = OBJECTIVE, momentum: float = 0.9) -> None:
        super().__init__()
        one_of("variant", variant, VARIANTS)
        self.variant, self.sizes, self.objective = variant, sizes, objective
        students, teachers = (Blocks(sizes.encoder) if shared else None for shared in VARIANTS[variant])
        self.vid_teacher = self._side(sizes.video, teachers)
        self.vid_student = self._side(sizes.video, students)
        self.vid_ae = mae.Autoencoder(self.vid_student.backbone, sizes.decoder)
        self.aud_teacher = self._side(sizes.audio, teachers)
        self.aud_student = self._side(sizes.audio, students)
        self.aud_ae = mae.Autoencoder(self.aud_student.backbone, sizes.decoder)
        self.vt2as_ce_loss = Distillation(sizes.head.out, momentum)
        self.at2vs_ce_loss = Distillation(sizes.head.out, momentum)
        for teacher, student in self.pairs():
            teacher.requires_grad_(False).load_state_dict(student.state_dict())

    def _side(self, geometry: Geometry, blocks: Blocks | None) -> Side:
        width = self.sizes.encoder
        return Side(Encoder(geometry, width, blocks), Head(width.dim, self.sizes.head))

    def pairs(self) -> tuple[tuple[Side, Side], tuple[Side, Side]]:
        """(teacher, student) of video and of audio."""
        return (self.vid_teacher, self.vid_student), (self.aud_teacher, self.aud_student)

    def forward(
        self,
        video: Sequence[Tensor],
        audio: Sequence[Tensor],
        noise: tuple[Tensor, Tensor],
        taus: Temperatures = TEMPERATURES,
    ) -> dict[str, Tensor]:
        """All losses of one batch under their published names, ``loss`` last, from views [global, local, ...]; the centres move.

        video: views (B, 3, T, H, W); the local ones have one size. audio: views (B, 1, bands, T). noise: uniform in [0, 1), (B, N) of the
        patches of the global clip and of the global spectrogram.
        """
        wanted = self.objective
        found: dict[str, Tensor] = {}
        coupled = bool(wanted.align or wanted.distil)
        local_video, local_audio = (torch.cat(list(views[1:])) if coupled and len(views) > 1 else None for views in (video, audio))
        v_tokens, v_loss = self.vid_ae.learn(video[0], noise[0], wanted.video_ratio, local_video)
        a_tokens, a_loss = self.aud_ae.learn(audio[0], noise[1], wanted.audio_ratio, local_audio)
        found["vid_recon_loss"], found["aud_recon_loss"] = v_loss, a_loss
        parts = {"recon_loss": (wanted.reconstruct, (v_loss + a_loss) / 2)}
        if coupled:
            students = student_outputs(self.vid_student, v_tokens), student_outputs(self.aud_student, a_tokens)
            teachers = self.teacher_outputs(video, audio)
            if wanted.align:
                found["as2vs_align_loss"], found["vt2at_align_loss"] = (mmd(*two, wanted.mmd) for two in (students, teachers))
                parts["alignment_loss"] = wanted.align, (found["as2vs_align_loss"] + found["vt2at_align_loss"]) / 2
            if wanted.distil:
                found |= self.distilled(students, teachers, taus)
                parts["cmkd_loss"] = wanted.distil, (found["vt2as_kd_loss"] + found["at2vs_kd_loss"]) / 2
        total = sum((coefficient * value for coefficient, value in parts.values()), start=v_loss.new_zeros(()))
        found |= {name: value for name, (_, value) in parts.items()}
        return found | {"loss": total / (wanted.align + wanted.distil + wanted.reconstruct)}

    @torch.no_grad()
    def teacher_outputs(self, video: Sequence[Tensor], audio: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(B, K) of video and of audio: patches of one view, refined by one another's attention, pooled, through the heads."""
        which = 1 if self.objective.teacher_view == "index1" else 0
        (v, v_seen), (a, a_seen) = (side.backbone.attended(x[which]) for (side, _), x in zip(self.pairs(), (video, audio)))
        v_seen, a_seen = v_seen[:, :, 0, 1:], a_seen[:, :, 0, 1:]
        video_mean = refined(v[:, 1:], cross_attention(v_seen, a_seen, self.objective.refine)).mean(1)
        audio_mean = refined(a[:, 1:], cross_attention(a_seen, v_seen, self.objective.refine)).mean(1)
        return self.vid_teacher.head(video_mean), self.aud_teacher.head(audio_mean)

    def distilled(self, students: tuple[Tensor, Tensor], teachers: tuple[Tensor, Tensor], taus: Temperatures) -> dict[str, Tensor]:
        """Each teacher's lesson for the student of the other modality."""
        video_tau = taus.audio_student if self.objective.student_tau == "audio" else taus.video_student
        return {
            "vt2as_kd_loss": self.vt2as_ce_loss(students[1], teachers[0], taus.audio_student, taus.video_teacher),
            "at2vs_kd_loss": self.at2vs_ce_loss(students[0], teachers[1], video_tau, taus.audio_teacher),
        }


def student_outputs(student: Side, views: Sequence[Tensor]) -> Tensor:
    """(views · B, K), all samples of a view together, of tokens of its views (B, 1 + N, D); the local ones are in one tensor.

    Of the global view there are only the visible patches.
    """
    outputs: Tensor = student.head(torch.cat([pooled(tokens) for tokens in views]))
    return outputs
