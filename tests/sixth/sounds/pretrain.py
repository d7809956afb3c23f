"""A network follows its own moving average over crops of a sound; a decoder with an optimizer of its own draws what it heard."""

import copy
import json

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from media.waveform import decode_waveform
from models.training.artifact import write_network
from models.training.average import follow
from models.training.crops import At, offset
from models.training.determinism import make_deterministic
from models.training.loop import Recipe, fit
from models.training.schedules import constant, cosine
from models.training.updates import Group, Update

WINDOW, BANDS, FRAMES = 512, 64, 16


def spectra(ctx, split):
    """Ids, and log spectra float32 (N, T, BANDS), of the sounds of a split."""
    within = {row["id"] for row in map(json.loads, (ctx.inputs["index"] / "media.jsonl").open()) if split in row["splits"]}
    rows = [row for row in map(json.loads, (ctx.inputs["sounds"] / "sounds.jsonl").open()) if row["id"] in within]
    waves = [decode_waveform(ctx.input_items["sounds"].get(row["media"]).payload).floats() for row in rows]
    length = min(map(len, waves)) // WINDOW * WINDOW
    cut = torch.from_numpy(np.stack([wave[:length] for wave in waves])).unflatten(1, (-1, WINDOW))
    return [row["id"] for row in rows], torch.log1p(torch.fft.rfft(cut).abs()[..., 1:].unflatten(2, (BANDS, -1)).mean(3))


def encoder():  # (N, T, BANDS) -> (N, 16)
    return nn.Sequential(nn.Linear(BANDS, 32), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 32)), nn.Flatten(), nn.Linear(32, 16))


class Task:
    """The student, the teacher that follows it and is kept, and the decoder."""

    def __init__(self, sounds, seed):
        self.sounds, self.seed, student = sounds, seed, encoder()
        teacher = copy.deepcopy(student).requires_grad_(False)
        self.model = nn.ModuleDict({"student": student, "teacher": teacher, "decoder": nn.Linear(16, BANDS)})
        self.kept, self.validate = lambda: teacher, dict

    def batches(self, epoch):
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.sounds))
        return [(epoch, part) for part in np.array_split(order, len(order) // 4)]

    def crop(self, epoch, which):
        starts = [offset(At(self.seed, epoch, int(index)), self.sounds.shape[1] - FRAMES) for index in which]
        return torch.stack([self.sounds[index, start : start + FRAMES] for index, start in zip(which, starts)])

    def imitate(self, batch):
        said, taught = self.model["student"](self.crop(*batch)), self.model["teacher"](self.sounds[batch[1]])
        return F.cross_entropy(said @ F.normalize(taught, dim=1).T / 0.2, torch.arange(len(said))), {}, len(said)

    def draw(self, batch):
        heard = self.crop(*batch)
        return F.mse_loss(self.model["decoder"](self.model["student"](heard).detach()), heard.mean(1)), {}, len(heard)


def run(ctx):
    """Train on all folds but one, and write the teacher."""
    make_deterministic(ctx.params.seed, threads=1)
    task = Task(spectra(ctx, f"{ctx.params.fold}/train")[1], ctx.params.seed)
    student, teacher, decoder = (task.model[name] for name in ("student", "teacher", "decoder"))
    rate = cosine(3e-3, 0.0, ctx.params.epochs * -(-len(task.batches(0)) // 2), warmup=2)
    learn, draw = Group([*student.parameters()], rate), Group([*decoder.parameters()], constant(0.1))
    first = Update("imitate", task.batches, task.imitate, [learn], accumulate=2, after=lambda moment: follow(teacher, student, 0.9))
    updates = [first, Update("draw", task.batches, task.draw, [draw], optimizer=torch.optim.SGD)]
    result = fit(task, Recipe(ctx.params.epochs, updates), ctx.scratch, ctx.progress, section="pretrain")
    write_network(ctx.out, result, {"arguments": {}, "seed": ctx.params.seed})
