"""The parallel regime (paper, section "Parallel"; code line A): teacher and student train in one loop, on the same videos.

The teacher minimises its cross-entropy, the student its objective against what the teacher says at that step. Their losses share no
parameter and no gradient reaches the teacher through the student's, so one update that clips and moves tensor by tensor does what
the original's two do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from cache.stage import Context
from models.training.result import Result
from systems.fewerframes.data import Partition, View
from systems.fewerframes.losses import Objective, Target
from systems.fewerframes.networks import build, respond
from systems.fewerframes.targets import Pair
from systems.fewerframes.train import Step, VideoTask, fresh_network, network_loss, train_task, with_decay
from systems.fewerframes.trained import Prepared


@dataclass
class ParallelTask:
    """The student's task with a teacher beside it; ``watched`` are the same training videos through the teacher's view."""

    model: Pair
    student: VideoTask
    watched: Partition

    def batches(self, epoch: int) -> Sequence[Step]:
        """The steps of ``epoch``; in those without distillation the teacher rests."""
        params = self.student.params
        distil = epoch < params.epochs - self.student.finetune
        return [Step(step.places, distil) for step in self.student.batches(epoch)]

    def loss(self, step: Step) -> tuple[Tensor, Mapping[str, Tensor], int]:
        """Both totals together, and the parts of the student's."""
        if not step.distil:
            return self.student.loss(step)
        task, params = self.student, self.student.params
        seen = self.watched.batch(step.places, task.device)
        out, _ = respond(self.model.teacher, task.prepared.normalisation, seen)
        teacher_total = task.objective.alone().cross_entropy(out, seen.labels)
        target = Target(out.representation.detach(), out.probabilities.detach())
        batch = task.prepared.train.batch(step.places, task.device)
        total, parts = network_loss(self.model.student, task.prepared.normalisation, batch, task.objective, params, target)
        return total + teacher_total, {**parts, "teacher_ce": teacher_total}, len(step.places)

    def kept(self) -> nn.Module:
        """The student: the teacher was there for it."""
        return self.model.student

    def validate(self) -> Mapping[str, float]:
        """The student's scores."""
        return self.student.validate()


def train_parallel(ctx: Context, prepared: Prepared, objective: Objective) -> Result:
    """Train both; the result is the student's best epoch."""
    params = ctx.params
    view = View("all", params.max_frames, "padded", params.max_frames, params.seed, params.modalities)
    watched = Partition(prepared.train.store, view, prepared.train.videos)
    student = fresh_network(prepared, params, ctx.device)
    teacher = with_decay(build(**teacher_arguments(prepared.arguments, params)), params.bn_decay).to(ctx.device)
    task = VideoTask(student, prepared, objective, params, ctx.device, finetune=params.finetune_epochs)
    return train_task(ctx, ParallelTask(Pair(teacher, student), task, watched), "student")


def teacher_arguments(arguments: dict[str, Any], params: Any) -> dict[str, Any]:
    """The student's own architecture; a hierarchical LSTM splits all frames into ``teacher_blocks`` blocks."""
    return {**arguments, "blocks": params.teacher_blocks} if arguments["network"] == "hlstm" else dict(arguments)
