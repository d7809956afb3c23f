"""Video classification with fewer frames (Bhardwaj, Srinivasan, Khapra, CVPR 2019) on NeXtVLAD: its stages and its graph.

    teacher    a network that sees all frame features of a video
    dump       the teacher's representation and probabilities of every training video, once, in float16
    student    the same network on k frames: alone, and with L_rep, L_pred or both
    evaluate   GAP@20, mAP, Hit@1, PERR, submission files, and cost, for every k
    timing     inference time: the one artifact whose bytes differ from run to run

The frame features come from the stage ``ingest``, one file a partition. Which k frames a student sees is a view of these files: no
artifact and no key of the features contains k. The defaults are the published settings (docs/systems/fewerframes.md), with the
originals' mistakes mended where that page says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from cache.stage import Node, Stage, option

P = TypeVar("P")

#: student variant -> (learns the representation, learns the predictions); in the order of the report
VARIANTS = {"alone": (False, False), "rep": (True, False), "pred": (False, True), "both": (True, True)}
NETWORKS = ("nextvlad", "nextvlad-mix", "netvlad", "hlstm")


@dataclass(frozen=True)
class TrainParams:
    """What teacher and student have in common (spec 5 and 7)."""

    network: str = option("nextvlad", "the architecture", choices=NETWORKS)
    groups: int = option(8, "G of NeXtVLAD; audio has half of it")
    clusters: int = option(128, "K of NeXtVLAD and NetVLAD; audio has half of it")
    hidden: int = option(2048, "width of the representation (NeXtVLAD, NetVLAD)")
    expansion: float = option(2.0, "lambda of NeXtVLAD; below 1 for a laptop")
    gating_reduction: int = option(8, "r of NeXtVLAD")
    drop_rate: float = option(0.5, "dropout on the VLAD vector of NeXtVLAD")
    bn_decay: float = option(0.999, "of the moving statistics; trainings of a few hundred steps want 0.9")
    cells: int = option(1024, "H of the hierarchical LSTM")
    blocks: int = option(20, "blocks of the hierarchical LSTM; the frames must divide into them")
    branches: int = option(3, "NeXtVLADs of a mixture")
    self_weight: float = option(9.0, "weight of the mixture's distillation into its branches (t squared)")
    self_temperature: float = option(3.0, "temperature t of it")
    classifier: str = option("logistic", "'moe' is a mixture of experts", choices=("logistic", "moe"))
    experts: int = option(2, "experts per class of 'moe'")
    modalities: str = option("both", "features that the network sees", choices=("both", "rgb"))
    normalisation: str = option(
        "whitening", "'whitening' reverses that of the features, 'l2' per frame", choices=("whitening", "l2", "none")
    )
    eigenvalues: str = option("", "eigenvals.npy of the public yt8m_pca archive, for whitening; empty: the one that came with the features")
    max_frames: int = option(300, "rows of the padded grid; longer videos are cut")
    lr: float = option(2e-4, "first learning rate")
    decay: float = option(0.8, "the learning rate is multiplied by this ...")
    decay_examples: float = option(2e6, "... after every so many videos")
    batch_size: int = option(160, "videos per step; published: 80 on each of 2 GPUs")
    drop_last: bool = option(True, "leave the last, smaller batch of an epoch out")
    epochs: int = option(5)
    clip: float = option(1.0, "largest norm of the gradient of one tensor (0: any)")
    ce_epsilon: float = option(1e-8, "added inside the logarithms of the published cross-entropy")
    ce_form: str = option("probabilities", "'logits' is the stable form of the cross-entropy", choices=("probabilities", "logits"))
    l2: float = option(1e-5, "of the classifier's weights")
    holdout: float = option(0.02, "share of the training videos that select the best epoch (and are not trained on)")
    patience: int = option(0, "stop after so many epochs without a better GAP on them (0: never)")
    seed: int = option(0, "of the initial weights, the dropout and the order of the videos")
    processes: int = option(1, "processes (on CUDA: devices) that share every batch; in the key, because sums are split by them")
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it")


@dataclass(frozen=True)
class TeacherParams(TrainParams):
    """Parameters of the teacher."""

    frames: str = option("all", "'drawn': max_frames real frames with replacement, as NetVLAD was trained", choices=("all", "drawn"))
    checkpoint: str = option("", "index file (model.ckpt-<step>.index) of a TensorFlow checkpoint to take as it is, instead of training")


@dataclass(frozen=True)
class StudentParams(TrainParams):
    """Parameters of a student; the graph decides ``k``, ``rep`` and ``pred`` (see :func:`nodes`)."""

    blocks: int = option(3)
    k: int = option(6, "frames that it sees")
    frames: str = option(
        "uniform",
        "which k frames; 'steps' is the re-implementation's rule, which may keep more than k",
        choices=("uniform", "steps", "random", "first", "middle", "last", "first-middle-last"),
    )
    grid: str = option("real", "choose among the real frames, or on the padded grid as published", choices=("real", "padded"))
    rep: bool = option(False, "learn the teacher's representation")
    pred: bool = option(False, "learn the teacher's probabilities")
    loss: str = option(
        "reimpl-mean",
        "terms of 'paper' (unit weights), 'reimpl' (batch sums), 'reimpl-mean' (the same at any batch size), 'authors' (their code)",
        choices=("paper", "reimpl", "reimpl-mean", "authors"),
    )
    ce_weight: float = option(1.0, "weight of the cross-entropy")
    rep_weight: float | None = option(None, "weight of L_rep; null: that of 'loss'")
    pred_weight: float | None = option(None, "weight of L_pred; null: that of 'loss'")
    pred_distance: str | None = option(None, "null: that of 'loss'", choices=(None, "sqerr", "kl_classes", "kl_bernoulli"))
    regime: str = option("serial", "'parallel' trains a teacher in the same loop", choices=("serial", "parallel"))
    teacher_blocks: int = option(20, "blocks of a hierarchical LSTM that is the teacher in the parallel regime")
    finetune_epochs: int = option(0, "so many of the epochs, at the end, are cross-entropy alone (the authors: 3)")
    targets: str = option(
        "cached",
        "from the dump; 'online': the teacher runs at every step; 'online-train': in training mode, as the re-implementation ran it",
        choices=("cached", "online", "online-train"),
    )


@dataclass(frozen=True)
class DumpParams:
    """Parameters of the dump."""

    batch_size: int = option(160, "videos per step; in the key, because it can change the last bits")
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it")


@dataclass(frozen=True)
class EvaluateParams:
    """Parameters of the evaluation."""

    ks: tuple[int, ...] = option((6,), "numbers of frames for which there are students")
    partition: str = option("validate", "partition with labels that is measured")
    submit: tuple[str, ...] = option(("test",), "partitions for which submission files are written, if they are there")
    tie_break: str = option("index", "order of tied scores; 'reference' repeats the original's", choices=("index", "reference"))
    batch_size: int = option(160, "videos per step; in the key, because it can change the last bits")
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it")


@dataclass(frozen=True)
class TimingParams:
    """Parameters of the timing."""

    repeats: int = option(9, "the median of so many runs counts")
    batch_size: int = option(16, "videos per run of the batched figure")
    threads: int = option(1, "CPU threads of one operation")


TEACHER = Stage("teacher", "systems.fewerframes.teacher:run", TeacherParams, files=("eigenvalues", "checkpoint"), facets=("device",))
DUMP = Stage("dump", "systems.fewerframes.dump:run", DumpParams, facets=("device",))
STUDENT = Stage("student", "systems.fewerframes.student:run", StudentParams, files=("eigenvalues",), facets=("device",))
EVALUATE = Stage("evaluate", "systems.fewerframes.evaluate:run", EvaluateParams, facets=("device",))
TIMING = Stage("timing", "systems.fewerframes.timing:run", TimingParams, facets=("device",))

#: without a term, and without both, these cannot change a student: fixed, so that they stay out of its key
NO_REP: dict[str, Any] = {"rep_weight": None}
NO_PRED: dict[str, Any] = {"pred_weight": None, "pred_distance": None}
NO_KD: dict[str, Any] = {
    "loss": "reimpl-mean",
    "ce_weight": 1.0,
    "regime": "serial",
    "teacher_blocks": 20,
    "finetune_epochs": 0,
    "targets": "cached",
}


class Config(Protocol):
    """What the graph needs of a configuration: ``params`` merges a section over the defaults, ``fixed`` values win."""

    @property
    def seeds(self) -> list[int]: ...

    def params(self, section: str, cls: type[P], **fixed: Any) -> P: ...


def nodes(config: Config) -> Iterator[Node]:
    """Yield the nodes of this system, for every seed.

    Sections: ``teacher``, ``dump``, ``student`` (for all students; ``student.alone``, ``.rep``, ``.pred`` and ``.both`` speak to
    one variant), ``evaluate`` (its ``ks`` decide which students there are), ``timing``.
    """
    evaluate = config.params("evaluate", EvaluateParams)
    for seed in config.seeds:
        yield from _seed_nodes(config, seed, evaluate)
    if config.seeds:
        networks = _networks(config.seeds[0], evaluate.ks)
        yield Node("timing", TIMING, config.params("timing", TimingParams), {**networks, "ingest": "ingest"})


def _seed_nodes(config: Config, seed: int, evaluate: EvaluateParams) -> Iterator[Node]:
    data = {"ingest": "ingest"}
    teacher, dump = f"teacher.s{seed}", f"dump.s{seed}"
    yield Node(teacher, TEACHER, config.params("teacher", TeacherParams, seed=seed), data)
    yield Node(dump, DUMP, config.params("dump", DumpParams), {"teacher": teacher, **data})
    for k in evaluate.ks:
        for variant, (rep, pred) in VARIANTS.items():
            unused = {**(NO_REP if not rep else {}), **(NO_PRED if not pred else {}), **(NO_KD if not (rep or pred) else {})}
            params = config.params(f"student.{variant}", StudentParams, seed=seed, k=k, rep=rep, pred=pred, **unused)
            yield Node(f"student.{variant}.k{k}.s{seed}", STUDENT, params, {**_source(params, teacher, dump), **data})
    yield Node(f"evaluate.s{seed}", EVALUATE, evaluate, {**_networks(seed, evaluate.ks), **data, "index": "index"})


def _source(params: StudentParams, teacher: str, dump: str) -> dict[str, str]:
    """What a student learns from: nothing, a teacher that it trains itself, the dump, or the teacher at every step."""
    if not (params.rep or params.pred) or params.regime == "parallel":
        return {}
    return {"dump": dump} if params.targets == "cached" else {"teacher": teacher}


def _networks(seed: int, ks: tuple[int, ...]) -> dict[str, str]:
    """Name under which a stage sees a network -> the node that trains it."""
    students = {f"student.{variant}.k{k}": f"student.{variant}.k{k}.s{seed}" for k in ks for variant in VARIANTS}
    return {"teacher": f"teacher.s{seed}", **students}
