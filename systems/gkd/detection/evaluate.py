"""The ``evaluate`` stage of detection: teacher and students of a seed on the videos of the test split (spec 6.2, 6.3).

Writes
  evaluation.json        mAP of every network, and of RGB and flow together; what they cost
  results/<name>.json    what each detects, in the form of ActivityNet
  curves.jsonl           the training curves of each network (:mod:`models.evaluation.files`)
  predictions.jsonl      what is in every video that is scored, and the best of what each network found there (:mod:`.by_video`)

All are scored on the videos of which there is every array. Videos that the ground truth lacks are looked at too, as published, and what is
found in them is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cache.errors import ConfigError
from cache.stage import Context
from models.evaluation.costs import FLOPS_NOTE, PARAMETERS
from models.evaluation.files import network_curves, write_evaluation
from models.evaluation.record import Column, Cost, Evaluation, Items, Panel, Row, Score
from models.training.determinism import make_deterministic
from systems.gkd.compared import both, label, named, pairs, sorts, taken_from_files
from systems.gkd.detection import by_video
from systems.gkd.detection.array_files import ArrayFiles, read_list
from systems.gkd.detection.average_precision import AFSD, RELEASED, Scores, mean_average_precision
from systems.gkd.detection.costs import costs
from systems.gkd.detection.decode import Decoding, Outputs, fused, segments
from systems.gkd.detection.inference import outputs
from systems.gkd.detection.instances import Instances, instances
from systems.gkd.detection.results import Detection, write_results
from systems.gkd.detection.trained import Network, read
from systems.gkd.detection.videos import Split, present, read_split

#: tIoU of the columns, and those of the two averages
THRESHOLDS = tuple(sorted({*AFSD, *RELEASED}))
AVERAGES = {"afsd": AFSD, "released": RELEASED}
#: published sigma of soft-NMS (D9): of the file for rgb, which fusion reads too, and of that for flow
SIGMA = {"rgb": 0.1, "flow": 0.5}
SAID = (
    f"Of a video with n true segments the 2 n best found ones are shown, at least {by_video.LEAST}. One is right if it has the class of a "
    f"true segment and a tIoU of {by_video.SAME:g} with it, which no better one has found. A network is right in a video if it finds half "
    "of the true segments so. (mAP is computed of all that is found.)"
)
UNSCORED = "the ground truth lacks it: what is found in it is not scored"
COSTS = (PARAMETERS, Cost("flops", head="GFLOPs/window", axis="GFLOPs, per window", per=1e9, digits=3))
PANELS = tuple(
    Panel(f"train{prefix}_{key}", title, logarithmic=True)
    for prefix, key, title in (
        ("_network", "loc", "pass 2: segments"),
        ("_network", "conf", "pass 2: classes"),
        ("_network", "background", "pass 2: background"),
        ("_network", "reconstruction_5c", "pass 2: map and what the CVAE makes of its attention"),
        ("_network", "attention_5c", "pass 2: attention distillation"),
        ("_cvae", "cvae_5c", "pass 1: loss of the CVAE"),
        ("_cvae", "generative_5c", "pass 1: generative distillation"),
        ("", "loc", "student alone: segments"),
        ("", "conf", "student alone: classes"),
    )
)


@dataclass
class Found:
    """What one network, or two together, detect: video -> detections; how many positions had no number, and how many are empty."""

    results: dict[str, list[Detection]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def instances(self) -> Instances:
        """As columns."""
        rows = [(video, one) for video, found in self.results.items() for one in found]
        return instances([(video, one.label, one.start, one.end) for video, one in rows], [one.score for _, one in rows])


def run(ctx: Context) -> None:
    """Score the networks and write what the report needs."""
    params = ctx.params
    make_deterministic(0, threads=params.threads)
    networks = {name: read(ctx.inputs[name], ctx.device) for name in named(ctx.inputs)}
    split = read_split(ctx.inputs["index"], params.split)
    for name, network in networks.items():
        network.must_know(split.classes, name, "the dataset")
    arrays = {one.modality: one for one in (read_list(ctx.inputs[name]) for name in ("arrays", "arrays.flow") if name in ctx.inputs)}
    _check_arrays(networks, arrays)
    used = [arrays[modality] for modality in sorted({network.modality for network in networks.values()})]
    videos = present(split, used, ctx.ledger, dict.fromkeys(split.not_scored, UNSCORED))
    streams = {name: (name,) for name in networks} | both(networks)
    lengths = {video: min(one.lengths[video] for one in arrays.values() if video in one.lengths) for video in videos}
    found = detected(ctx, networks, streams, split, lengths, arrays)
    scored = [video for video in split.videos if video not in split.not_scored]
    truth, whole = split.truth(set(videos)), split.truth(set(split.videos))
    results = ctx.out / "results"
    results.mkdir()
    rows, scores = [], {}
    for name, own in streams.items():
        write_results(results / f"{name.replace(' ', '')}.json", found[name].results, split.dataset["name"])
        detections = found[name].instances()
        scores[name] = mean_average_precision(truth, detections, THRESHOLDS)
        strict = scores[name] if len(truth) == len(whole) else mean_average_precision(whole, detections, THRESHOLDS)
        rows.append(_row(name, scores[name], strict, params.thresholds, [networks[one] for one in own]))
    evaluation = Evaluation(
        task="temporal action detection",
        metric=f"mAP, mean over tIoU {_range(AVERAGES[params.thresholds])}",
        dataset=split.dataset["name"],
        split=split.name,
        seed=next(iter(networks.values())).about.get("seed", 0),
        columns=_columns(params.thresholds),
        items=Items("video", total=len(scored), scored=sum(video in found[next(iter(streams))].results for video in scored), needs="array"),
        networks=tuple(rows),
        pairs=tuple(pair for pair in pairs() if set(pair) <= streams.keys()),
        costs=COSTS,
        cost_note=f"{FLOPS_NOTE}; FLOPs and times are of a window as the network sees it. What makes flow of frames is no part of it",
        panels=PANELS,
        sorts=tuple(sorts(streams)),
        said_note=SAID,
        notes=tuple(_notes(split, networks, len(truth))),
        flags=(*taken_from_files(networks), *_flags(found, scores)),
    )
    fps = next(iter(arrays.values())).fps
    said = by_video.predictions(
        {name: own.results for name, own in found.items()}, truth, {video: length / fps for video, length in lengths.items()}
    )
    write_evaluation(ctx.out, evaluation, curves=_curves(ctx, networks), predictions=said)


def _check_arrays(networks: Mapping[str, Network], arrays: Mapping[str, ArrayFiles]) -> None:
    for name, network in networks.items():
        if network.modality not in arrays:
            raise ConfigError(f"{name} sees {network.modality}, and there are no arrays of it", hint="--set graph.modalities=[rgb,flow]")


def detected(
    ctx: Context,
    networks: Mapping[str, Network],
    streams: Mapping[str, Sequence[str]],
    split: Split,
    lengths: Mapping[str, int],
    arrays: Mapping[str, ArrayFiles],
) -> dict[str, Found]:
    """What every stream, one network or two together, detects in the videos, of which ``lengths`` says how many frames they have.

    One video after the other is in memory.
    """
    infos = split.infos(lengths, next(iter(arrays.values())).fps)
    found = {name: Found() for name in streams}
    with ctx.progress("videos", total=len(lengths)) as bar:
        for video in lengths:
            said, begins = {}, []
            for name, network in networks.items():
                said[name], begins = looked(ctx.params, network, arrays[network.modality], video, lengths[video])
            for name, own in streams.items():
                together: Outputs = said[own[0]] if len(own) == 1 else fused(said[own[0]], said[own[1]])
                decoding = decoding_of(ctx.params, networks[own[0]])
                made = segments(together, begins, infos[video].sample_fps, split.classes, decoding)
                found[name].results[video] = made.detections
                found[name].counts.update(non_finite=made.non_finite, empty=made.empty)
            bar.step()
    return found


def looked(params: Any, network: Network, arrays: ArrayFiles, video: str, length: int) -> tuple[Outputs, list[int]]:
    """What a network says of the first ``length`` frames of a video, and where the windows begin."""
    shape = network.model.shape
    array = arrays.open(video)[:length]
    return outputs(network, array, length=shape.frames, stride=params.stride, side=shape.crop, padding=params.switch("padding"))


def decoding_of(params: Any, network: Network) -> Decoding:
    """How outputs of a network, or of it and one of flow, become segments."""
    sigma = SIGMA[network.modality] if params.sigma is None else params.sigma
    shape = network.model.shape
    return Decoding(sigma, params.threshold, top_k=params.top_k, last=params.switch("last"), length=shape.frames)


def _mean(scores: Scores, thresholds: Iterable[float]) -> float:
    return float(sum(scores.mean[scores.thresholds.index(one)] for one in thresholds)) / len(tuple(thresholds))


def _range(thresholds: Sequence[float]) -> str:
    return f"{thresholds[0]:g} to {thresholds[-1]:g}"


def _columns(main: str) -> tuple[Column, ...]:
    other = next(name for name in AVERAGES if name != main)
    return tuple(Column(name) for name in (f"mAP {_range(AVERAGES[main])}", *(f"@{one:g}" for one in THRESHOLDS), _range(AVERAGES[other])))


def _row(name: str, scores: Scores, strict: Scores, main: str, networks: Sequence[Network]) -> Row:
    other = next(one for one in AVERAGES if one != main)
    values = [_mean(scores, AVERAGES[main]), *scores.mean.tolist(), _mean(scores, AVERAGES[other])]
    each = [costs(network) for network in networks]
    kept = ("seed", "weighted", "weights", "generative", "attention", "windows")
    about = {key: networks[0].about[key] for key in kept if key in networks[0].about}
    counted = {"detections": scores.detections, "in_videos_without_truth": sum(scores.unscored.values())}
    return Row(
        name,
        label(name),
        {column.name: Score(value) for column, value in zip(_columns(main), values, strict=True)},
        strict=_mean(strict, AVERAGES[main]),
        costs={key: sum(own[key] for own in each) for key in each[0]},
        about={**about, **counted},
    )


def _curves(ctx: Context, networks: Mapping[str, Network]) -> Iterator[Mapping[str, Any]]:
    for name in networks:
        yield from network_curves(name, ctx.inputs[name])


def _notes(split: Split, networks: Mapping[str, Network], count: int) -> Iterator[str]:
    shapes = sorted({(one.model.shape.frames, one.model.shape.crop) for one in networks.values()})
    seen = " and ".join(f"{frames} frames of {crop} × {crop} pixels" for frames, crop in shapes)
    yield f"{count} instances of {len(split.classes)} classes; windows of {seen}"
    if ambiguous := sum(split.ambiguous.values()):
        yield f"{ambiguous} ambiguous parts are neither instance nor background, and left out"
    if lacking := split.not_scored:
        yield f"{len(lacking)} videos that the ground truth lacks are looked at and not scored: {', '.join(lacking[:5])}"
    widths = sorted({one.model.shape.width for one in networks.values()})
    if widths != [1.0]:
        yield f"networks have {', '.join(f'{width:g}' for width in widths)} times the published channels"


def _flags(found: Mapping[str, Found], scores: Mapping[str, Scores]) -> Iterator[str]:
    for name, own in found.items():
        if own.counts["non_finite"]:
            yield f"{label(name)}: {own.counts['non_finite']} positions had a number that is none, and are left out"
        if own.counts["empty"]:
            yield f"{label(name)}: {own.counts['empty']} detections do not end after they begin"
        if nothing := scores[name].undetected:
            yield f"{label(name)}: nothing at all is detected of {', '.join(nothing)}"
