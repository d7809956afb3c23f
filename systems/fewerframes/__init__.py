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
from typing import ClassVar

from cache.stage import Config, Node, Shared, Stage, option

#: student variant -> (learns the representation, learns the predictions); in the order of the report
VARIANTS = {"alone": (False, False), "rep": (True, False), "pred": (False, True), "both": (True, True)}
NETWORKS = ("nextvlad", "nextvlad-mix", "netvlad", "hlstm")

#: When a parameter counts: with these networks; where a network is trained and not taken as it is; and not without a teacher.
NEXTVLAD = {"network": ("nextvlad", "nextvlad-mix")}
ANY_VLAD = {"network": ("nextvlad", "nextvlad-mix", "netvlad")}
TRAINED = {"checkpoint": ("",)}
ALONE = {"rep": (False,), "pred": (False,)}


@dataclass(frozen=True)
class TrainParams:
    """What teacher and student have in common (spec 5 and 7)."""

    falls_back_to: ClassVar[str] = "train"

    network: str = option("nextvlad", "the architecture", choices=NETWORKS)
    groups: int = option(8, "G of NeXtVLAD; audio has half of it", at_least=2, at_most=4096, when=NEXTVLAD)
    clusters: int = option(128, "K of NeXtVLAD and NetVLAD; audio has half of it", at_least=2, at_most=65_536, when=ANY_VLAD)
    hidden: int = option(2048, "width of the representation (NeXtVLAD, NetVLAD)", at_least=1, at_most=65_536, when=ANY_VLAD)
    expansion: float = option(2.0, "lambda of NeXtVLAD; below 1 for a laptop", above=0, at_most=64, when=NEXTVLAD)
    gating_reduction: int = option(8, "r of NeXtVLAD", at_least=1, at_most=65_536, no_more_than="hidden", when=NEXTVLAD)
    drop_rate: float = option(0.5, "dropout on the VLAD vector of NeXtVLAD", at_least=0, below=1, when=NEXTVLAD)
    bn_decay: float = option(
        0.999,
        "of the moving statistics; trainings of a few hundred steps want 0.9",
        at_least=0,
        below=1,
        when={**ANY_VLAD, **TRAINED},
    )
    cells: int = option(1024, "H of the hierarchical LSTM", at_least=1, at_most=65_536, when={"network": ("hlstm",)})
    blocks: int = option(
        20, "blocks of the hierarchical LSTM; the frames must divide into them", at_least=1, at_most=10_000, when={"network": ("hlstm",)}
    )
    branches: int = option(3, "NeXtVLADs of a mixture", at_least=1, at_most=100, when={"network": ("nextvlad-mix",)})
    self_weight: float = option(
        9.0,
        "weight of the mixture's distillation into its branches (t squared)",
        at_least=0,
        at_most=1_000_000_000,
        when={"network": ("nextvlad-mix",)},
    )
    self_temperature: float = option(3.0, "temperature t of it", at_least=0.001, at_most=1000, when={"network": ("nextvlad-mix",)})
    classifier: str = option("logistic", "'moe' is a mixture of experts", choices=("logistic", "moe"))
    experts: int = option(2, "experts per class of 'moe'", at_least=1, at_most=1000, when={"classifier": ("moe",)})
    modalities: str = option("both", "features that the network sees", choices=("both", "rgb"))
    normalisation: str = option(
        "whitening", "'whitening' reverses that of the features, 'l2' per frame", choices=("whitening", "l2", "none")
    )
    eigenvalues: str = option(
        "",
        "eigenvals.npy of the public yt8m_pca archive, for whitening; empty: the one that came with the features",
        when={"normalisation": ("whitening",)},
    )
    max_frames: int = option(300, "rows of the padded grid; longer videos are cut", at_least=1, at_most=100_000)
    lr: float = option(2e-4, "first learning rate", above=0, at_most=10, when=TRAINED)
    decay: float = option(0.8, "the learning rate is multiplied by this ...", above=0, at_most=1, when=TRAINED)
    decay_examples: float = option(
        2e6,
        "... after every so many videos",
        at_least=1,
        at_most=1_000_000_000_000,
        when=TRAINED,
        unless=({"decay": (1.0,)},),
    )
    batch_size: int = option(160, "videos per step; published: 80 on each of 2 GPUs", at_least=1, at_most=1_000_000)
    drop_last: bool = option(True, "leave the last, smaller batch of an epoch out", when=TRAINED)
    epochs: int = option(5, "how often every video is trained on", at_least=1, at_most=100_000, when=TRAINED)
    clip: float = option(1.0, "largest norm of the gradient of one tensor (0: any)", at_least=0, at_most=1_000_000, when=TRAINED)
    ce_epsilon: float = option(1e-8, "added inside the logarithms of the published cross-entropy", above=0, at_most=0.5)
    ce_form: str = option(
        "probabilities",
        "'logits' is the stable form of the cross-entropy",
        choices=("probabilities", "logits"),
        when={"classifier": ("logistic",), "checkpoint": ("",)},
    )
    l2: float = option(1e-5, "of the classifier's weights", at_least=0, at_most=1_000_000, when=TRAINED)
    holdout: float = option(0.02, "share of the training videos that select the best epoch (and are not trained on)", above=0, below=1)
    patience: int = option(
        0, "stop after so many epochs without a better GAP on them (0: never)", at_least=0, at_most=100_000, when=TRAINED
    )
    seed: int = option(0, "of the initial weights, the dropout and the order of the videos", at_least=0, at_most=2**32 - 1)
    processes: int = option(
        1,
        "processes (on CUDA: devices) that share every batch; in the key, because sums are split by them",
        at_least=1,
        at_most=1024,
        when=TRAINED,
    )
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)


@dataclass(frozen=True)
class TeacherParams(TrainParams):
    """Parameters of the teacher."""

    frames: str = option("all", "'drawn': max_frames real frames with replacement, as NetVLAD was trained", choices=("all", "drawn"))
    checkpoint: str = option("", "index file (model.ckpt-<step>.index) of a TensorFlow checkpoint to take as it is, instead of training")


@dataclass(frozen=True)
class StudentParams(TrainParams):
    """Parameters of a student; the graph decides ``k``, ``rep`` and ``pred`` (see :func:`nodes`)."""

    blocks: int = option(3, "blocks of the hierarchical LSTM", at_least=1, at_most=10_000, when={"network": ("hlstm",)})
    k: int = option(6, "frames that it sees", at_least=1, at_most=100_000, no_more_than="max_frames")
    frames: str = option(
        "uniform",
        "which k frames; 'steps' is the re-implementation's rule, which may keep more than k",
        choices=("uniform", "steps", "random", "first", "middle", "last", "first-middle-last"),
    )
    grid: str = option(
        "real",
        "choose among the real frames, or on the padded grid as published ('steps' always does)",
        choices=("real", "padded"),
        unless=({"frames": ("steps",)},),
    )
    rep: bool = option(False, "learn the teacher's representation")
    pred: bool = option(False, "learn the teacher's probabilities")
    loss: str = option(
        "reimpl-mean",
        "terms of 'paper' (unit weights), 'reimpl' (batch sums), 'reimpl-mean' (the same at any batch size), 'authors' (their code)",
        choices=("paper", "reimpl", "reimpl-mean", "authors"),
        unless=(ALONE,),
    )
    ce_weight: float = option(1.0, "weight of the cross-entropy", at_least=0, at_most=1_000_000_000, unless=(ALONE,))
    rep_weight: float | None = option(
        None, "weight of L_rep; null: that of 'loss'", at_least=0, at_most=1_000_000_000, when={"rep": (True,)}
    )
    pred_weight: float | None = option(
        None, "weight of L_pred; null: that of 'loss'", at_least=0, at_most=1_000_000_000, when={"pred": (True,)}
    )
    pred_distance: str | None = option(
        None, "null: that of 'loss'", choices=(None, "sqerr", "kl_classes", "kl_bernoulli"), when={"pred": (True,)}
    )
    regime: str = option("serial", "'parallel' trains a teacher in the same loop", choices=("serial", "parallel"), unless=(ALONE,))
    teacher_blocks: int = option(
        20,
        "blocks of a hierarchical LSTM that is the teacher in the parallel regime",
        at_least=1,
        at_most=10_000,
        when={"regime": ("parallel",), "network": ("hlstm",)},
    )
    finetune_epochs: int = option(
        0,
        "so many of the epochs, at the end, are cross-entropy alone (the authors: 3)",
        at_least=0,
        at_most=100_000,
        no_more_than="epochs",
        unless=(ALONE,),
    )
    targets: str = option(
        "cached",
        "from the dump; 'online': the teacher runs at every step; 'online-train': in training mode, as the re-implementation ran it",
        choices=("cached", "online", "online-train"),
        when={"regime": ("serial",)},
        unless=(ALONE,),
    )


@dataclass(frozen=True)
class DumpParams:
    """Parameters of the dump."""

    batch_size: int = option(160, "videos per step; in the key, because it can change the last bits", at_least=1, at_most=1_000_000)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)


@dataclass(frozen=True)
class EvaluateParams:
    """Parameters of the evaluation."""

    ks: tuple[int, ...] = option((6,), "numbers of frames for which there are students", at_least=1, at_most=100_000, distinct=True)
    partition: str = option("validate", "partition with labels that is measured", choices=("train", "validate", "test"))
    submit: tuple[str, ...] = option(
        ("test",),
        "partitions for which submission files are written, if they are there",
        choices=("train", "validate", "test"),
        distinct=True,
    )
    tie_break: str = option("index", "order of tied scores; 'reference' repeats the original's", choices=("index", "reference"))
    batch_size: int = option(160, "videos per step; in the key, because it can change the last bits", at_least=1, at_most=1_000_000)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)


@dataclass(frozen=True)
class TimingParams:
    """Parameters of the timing."""

    repeats: int = option(9, "the median of so many runs counts", at_least=1, at_most=100_000)
    batch_size: int = option(16, "videos per run of the batched figure", at_least=1, at_most=1_000_000)
    threads: int = option(1, "CPU threads of one operation", at_least=1, at_most=1024)


TEACHER = Stage(
    "teacher", "systems.fewerframes.teacher:run", TeacherParams, files=("eigenvalues", "checkpoint"), facets=("device",), verb="distill"
)
DUMP = Stage("dump", "systems.fewerframes.dump:run", DumpParams, facets=("device",), verb="distill")
STUDENT = Stage("student", "systems.fewerframes.student:run", StudentParams, files=("eigenvalues",), facets=("device",), verb="distill")
EVALUATE = Stage(
    "evaluate", "systems.fewerframes.evaluate:run", EvaluateParams, facets=("device",), help="Score every network by the paper's protocol."
)
TIMING = Stage("timing", "systems.fewerframes.timing:run", TimingParams, facets=("device",), help="Measure how long every network takes.")


def nodes(config: Config, shared: Shared) -> Iterator[Node]:
    """Yield the nodes of this system, for every seed.

    Sections: ``teacher``, ``dump``, ``student`` (for all students; ``student.alone``, ``.rep``, ``.pred`` and ``.both`` speak to
    one variant), ``train`` (for teacher and students), ``evaluate`` (its ``ks`` decide which students there are), ``timing``.
    """
    evaluate, data = config.params("evaluate", EvaluateParams), {"ingest": shared("ingest")}
    trained = []
    for seed in config.seeds:
        teacher = Node(f"teacher.s{seed}", TEACHER, config.params("teacher", TeacherParams, seed=seed), data)
        dump = Node(f"dump.s{seed}", DUMP, config.params("dump", DumpParams), {"teacher": teacher, **data})
        students: dict[str, Node] = {}
        for k in evaluate.ks:
            for variant, (rep, pred) in VARIANTS.items():
                params = config.params(f"student.{variant}", StudentParams, seed=seed, k=k, rep=rep, pred=pred)
                name, reads = f"student.{variant}.k{k}", {**_source(params, teacher, dump), **data}
                students[name] = Node(f"{name}.s{seed}", STUDENT, params, reads)
        trained.append({"teacher": teacher, **students})
        yield from (teacher, dump, *students.values())
        yield Node(f"evaluate.s{seed}", EVALUATE, evaluate, {**trained[-1], **data, "index": shared("index")})
    if trained:
        yield Node("timing", TIMING, config.params("timing", TimingParams), {**trained[0], **data})


def _source(params: StudentParams, teacher: Node, dump: Node) -> dict[str, Node]:
    """What a student learns from: nothing, a teacher that it trains itself, the dump, or the teacher at every step."""
    if not (params.rep or params.pred) or params.regime == "parallel":
        return {}
    return {"dump": dump} if params.targets == "cached" else {"teacher": teacher}
