"""The ``evaluate`` stage: teacher, experts and students of a seed on episodes of the test classes (spec F).

Writes
  evaluation.json    accuracy of every network, a column for each number of shots, with its interval over episodes; what they cost
  curves.jsonl       the training curves of each network (:mod:`models.evaluation.files`)
  predictions.jsonl  for which classes every network took each video, counted over all of its queries (:mod:`.by_video`)

All networks of all seeds answer the same episodes, drawn from the videos of ``few-shot/test`` that every network has frames or features of.
Experts and teacher are asked on the dumped features, as published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cache.json_files import read_json
from cache.stage import Context
from models.evaluation.costs import FLOPS_NOTE, PARAMETERS
from models.evaluation.files import network_curves, write_evaluation
from models.evaluation.record import Column, Cost, Evaluation, Items, Own, Panel, Row, Score, Sort
from models.evaluation.sorts import all_wrong, distilled_against
from models.inference.in_order import in_order
from models.training.determinism import make_deterministic
from systems.litemkd import by_video
from systems.litemkd.clips import Clips
from systems.litemkd.dumped import Dumped
from systems.litemkd.episodes import Pool, Shape, pool
from systems.litemkd.metric import accuracies, summary
from systems.litemkd.networks import Network, named, read_all, whole_of
from systems.litemkd.prepared import by_head, by_single, by_teacher, joined
from systems.litemkd.protocol import Answers, Drawn, drawn, shared_logits
from systems.litemkd.seen import Look
from systems.litemkd.videos import Video, listed, note
from systems.litemkd.whole import costs

LABELS = {
    "student.kd": "student, distilled from all modalities",
    "student.rgb": "student, distilled from RGB features",
    "student.alone": "student alone",
}
#: what the report compares, seed by seed
PAIRS = (("student.kd", "student.alone"), ("student.rgb", "student.alone"), ("student.kd", "student.rgb"), ("teacher", "student.alone"))
COSTS = (PARAMETERS, Cost("flops", head="GFLOPs/episode", axis="GFLOPs, per episode", per=1e9, digits=2))
PANELS = (
    Panel("val_accuracy", "validation accuracy", "%"),
    Panel("train_accuracy", "training accuracy", "%"),
    Panel("train_h.ce", "training cross-entropy / 16 of the branch for the labels", logarithmic=True),
    Panel("train_kd.kl", "distillation: queries (training)", logarithmic=True),
    Panel("train_r.sup", "distillation: support sets (training)", logarithmic=True),
)
SPLIT = "few-shot/test"
SAID = (
    "A video is a query of many episodes. A network is right on it if it takes it for its own class in half of them or more; beside a "
    "class the share of them in which it takes it for this one. A class can only be named in episodes that it is part of."
)


def run(ctx: Context) -> None:
    """Score the networks and write what the report needs."""
    params = ctx.params
    make_deterministic(0, threads=params.threads)
    networks = read_all(ctx)
    frames = max(network.frames for network in networks.values())
    clips = Clips(ctx.inputs["frames"], ctx.input_items["frames"], frames=frames)
    dumps = {name.removeprefix("dump."): Dumped(path) for name, path in ctx.inputs.items() if name.startswith("dump.")}
    videos = listed(ctx.inputs["index"], "test")
    here = _there(clips, dumps)
    note(ctx.ledger, videos, here, _why(clips, dumps))
    tests = {shot: pool(videos, [video for video in videos if video.name in here], _shape(params, shot)) for shot in params.shots}
    kept = [video for video in videos if video.name in here]
    rows = {video: row for row, video in enumerate(kept)}
    asked = {shot: drawn(test, rows, episodes=params.episodes, seed=params.episode_seed) for shot, test in tests.items()}
    taken = by_video.Taken(kept)
    with ctx.progress("evaluate", total=len(networks)) as bar:
        scored, counts = {}, {}
        for name, answers in answering(ctx, networks, kept, clips, dumps):
            said = {shot: shared_logits(test, answers, device=ctx.device) for shot, test in asked.items()}
            scored[name] = _row(name, networks, _scores(said, asked), params)
            counts[name] = {_column(params, shot): taken.counts(asked[shot], logits) for shot, logits in said.items()}
            bar.step()
    there = [scored[name] for name in named(ctx.inputs)]
    asks = f"{params.queries} quer{'y' if params.queries == 1 else 'ies'} of each class"
    evaluation = Evaluation(
        task="few-shot action recognition",
        metric="accuracy",
        dataset=read_json(ctx.inputs["index"] / "dataset.json")["name"],
        split=SPLIT,
        seed=there[0].about["seed"],
        columns=tuple(Column(_column(params, shot)) for shot in params.shots),
        items=Items("video", total=len(videos), scored=len(kept), needs="clip that every network sees"),
        networks=tuple(there),
        pairs=tuple(pair for pair in PAIRS if set(pair) <= set(networks)),
        own=Own(params.episodes, "episodes"),
        costs=COSTS,
        cost_note=f"{FLOPS_NOTE}; an episode of {_column(params, params.shots[0])} with {asks}",
        panels=PANELS,
        sorts=tuple(_sorts({row.name: row.label for row in there})),
        said_note=SAID,
        notes=tuple(_notes(networks, tests)),
        flags=(*_imported(networks), *_flags(dumps, tests)),
    )
    said_of = by_video.rows(taken, {row.name: counts[row.name] for row in there})
    write_evaluation(ctx.out, evaluation, curves=_curves(ctx), predictions=said_of)


def answering(
    ctx: Context, networks: Mapping[str, Network], videos: Sequence[Video], clips: Clips, dumps: Mapping[str, Dumped]
) -> Iterator[tuple[str, Answers]]:
    """Every network by name as what answers episodes of these videos, whose features are computed once."""
    ids = [video.name for video in videos]
    with torch.inference_mode():
        for name, network in networks.items():
            if name == "teacher":
                yield name, by_teacher(network.model, [dumps[m].features(ids).to(ctx.device) for m in network.about["modalities"]])
            elif name.startswith("expert."):
                yield name, by_single(network.model, dumps[name.removeprefix("expert.")].features(ids).to(ctx.device))
        students = {name: network for name, network in networks.items() if name.startswith("student.")}
        prepared = seen(students, clips, ids, ctx)
        for name, network in students.items():
            yield name, by_head(network.model.classifier, prepared.pop(name))


def seen(students: Mapping[str, Network], clips: Clips, ids: Sequence[str], ctx: Context) -> dict[str, Any]:
    """What every student's head needs of these clips, from the middle of their frames. Students of one look share the pictures."""
    by_look: dict[Look, list[str]] = {}
    for name, network in students.items():
        by_look.setdefault(network.look, []).append(name)
    lots: dict[str, list[Any]] = {name: [] for name in students}
    size = ctx.params.batch_size
    with ctx.progress("features", total=len(ids) * len(by_look)) as bar:
        for look, names in by_look.items():
            pictures = in_order(lambda id, look=look: look.of(clips, id), ids, max(1, ctx.workers), lambda: None)
            while lot := list(islice(pictures, size)):
                input = look.input(torch.from_numpy(np.stack(lot)), ctx.device)
                for name in names:
                    lots[name].append(students[name].model.prepare(input))
                bar.step(len(lot))
    return {name: joined(parts) for name, parts in lots.items()}


def _there(clips: Clips, dumps: Mapping[str, Dumped]) -> set[str]:
    """Ids of the videos that every network has."""
    here = set(clips.ids)
    for dump in dumps.values():
        here &= set(dump.ids)
    return here


def _why(clips: Clips, dumps: Mapping[str, Dumped]) -> dict[str, str]:
    """Why a video that has frames is in no episode."""
    lacking = {id: f"no features of {modality}" for modality, dump in dumps.items() for id in clips.ids if id not in dump.rows}
    return {**lacking, **clips.short}


def _shape(params: Any, shot: int) -> Shape:
    return Shape(params.way, shot, params.queries)


def _column(params: Any, shot: int) -> str:
    return f"{params.way}-way {shot}-shot"


def _scores(said: Mapping[int, npt.NDArray[np.float32]], asked: Mapping[int, Drawn]) -> dict[int, tuple[float, float]]:
    """Mean accuracy and half width of its interval, in percent, by shots."""
    return {shot: summary(accuracies(logits, asked[shot].labels.numpy())) for shot, logits in said.items()}


def _sorts(labels: Mapping[str, str]) -> Iterator[Sort]:
    """The videos that a reader is offered first."""
    yield from distilled_against(labels, "teacher", "student.kd", "student.alone")
    yield all_wrong(labels)


def _row(name: str, networks: Mapping[str, Network], found: Mapping[int, tuple[float, float]], params: Any) -> Row:
    about = networks[name].about
    whole, frames, sizes = whole_of(name, networks, _shape(params, params.shots[0]))
    return Row(
        name,
        _label(name, about),
        {_column(params, shot): Score(mean / 100, half / 100) for shot, (mean, half) in found.items()},
        validation=about.get("best_value"),
        costs=costs(whole, frames, sizes),
        about={key: about[key] for key in ("role", "seed", "best_epoch", "switches") if key in about},
    )


def _label(name: str, about: Mapping[str, Any]) -> str:
    """What the report calls a network."""
    if name == "teacher":
        return f"teacher ({' + '.join(about['modalities'])})"
    return LABELS.get(name) or f"{name.removeprefix('expert.')} alone"


def _curves(ctx: Context) -> Iterator[Mapping[str, Any]]:
    for name in named(ctx.inputs):
        yield from network_curves(name, ctx.inputs[name])


def _notes(networks: Mapping[str, Network], tests: Mapping[int, Pool]) -> Iterator[str]:
    sizes = sorted({network.look.image_size for name, network in networks.items() if name != "teacher"})
    yield f"{len(next(iter(tests.values())).videos)} classes; pictures of {', '.join(f'{size} × {size}' for size in sizes)} pixels"


def _imported(networks: Mapping[str, Network]) -> Iterator[str]:
    for name, network in networks.items():
        if found := network.about.get("imported"):
            digest = found["sha256"][:12]
            yield f"{_label(name, network.about)}: its teacher's features were imported (sha256 {digest}), not computed here"


def _flags(dumps: Mapping[str, Dumped], tests: Mapping[int, Pool]) -> Iterator[str]:
    """What a reader has to know before believing the scores."""
    for shot, test in tests.items():
        if test.small:
            yield f"{len(test.small)} classes have too few videos for {shot} shots: left out of those episodes"
    for modality, dump in dumps.items():
        if dump.about.get("view") == "random":
            yield f"the features of {modality} are those of random views of the frames, as published (dump_view)"
