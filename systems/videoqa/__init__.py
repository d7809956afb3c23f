"""VideoQA by multimodal knowledge distillation on DualVGR (Shao, Wan, Zong, Information 2023): its stages and its graph.

    teacher    DualVGR with 4 graph layers, alone
    dump       the teacher's fused feature of every training and validation question, once
    student    DualVGR with 1 graph layer: distilled (kd), alone, and without video (question)
    evaluate   the paper's protocol on the test split, cost in parameters and FLOPs
    timing     inference time: the one artifact whose bytes differ from run to run

The defaults are the published settings. Same seed, same initial weights and same order of questions: a student alone and a
distilled one form a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from cache.stage import Config, Node, Shared, Stage, option


@dataclass(frozen=True)
class TrainParams:
    """What teacher and student have in common (spec 8)."""

    falls_back_to: ClassVar[str] = "train"

    lr: float = option(1e-4, "Adam's first learning rate", above=0, at_most=10)
    batch_size: int = option(256, "questions per step; the last batch of an epoch may be smaller", at_least=1, at_most=1_000_000)
    epochs: int = option(25, "how often every question is trained on", at_least=1, at_most=100_000)
    lr_steps: tuple[int, ...] = option(
        (10, 20), "after so many epochs the learning rate is multiplied by lr_decay", at_least=0, at_most=100_000
    )
    lr_decay: float = option(0.5, "see lr_steps", above=0, at_most=1, unless=({"lr_steps": ((),)},))
    clip: float = option(12.0, "largest total norm of the gradient (0: any)", at_least=0, at_most=1_000_000)
    patience: int = option(0, "stop after so many epochs without a better validation accuracy (0: never)", at_least=0, at_most=100_000)
    seed: int = option(666, "of the initial weights, the dropouts and the order of the questions", at_least=0, at_most=2**32 - 1)
    module_dim: int = option(768, "width of the network", at_least=4, at_most=65_536, multiple_of=4)
    graph_layers: int = option(1, "layers of graph attention in a cycle", at_least=1, at_most=100)
    unit_layers: int = option(1, "cycles of reasoning", at_least=1, at_most=100)
    alpha: float = option(100.0, "weight of the agreement of the common graphs", at_least=0, at_most=1_000_000_000)
    beta: float = option(1e-6, "weight of the independence of common and specific graphs", at_least=0, at_most=1_000_000_000)
    glove: bool = option(True, "start the embedding from the word vectors")
    dropout: float = option(1.0, "factor on every published dropout rate", at_least=0, at_most=5)
    graph_index: str = option("paper", "graph module of cycle i, layer j: 'paper' i+j, 'fixed' i*layers+j", choices=("paper", "fixed"))
    word_softmax: str = option(
        "paper", "word attention over padding too ('paper') or over words only ('fixed')", choices=("paper", "fixed")
    )
    video_dropout: str = option(
        "paper",
        "'paper': every question encodes its video under dropout masks of its own; 'shared': once per video and batch (faster)",
        choices=("paper", "shared"),
        when={"video": ("full",)},
    )
    together: int = option(
        1,
        "questions of a video that stand in a row in an epoch (1: every question has a place of its own); read and, shared, encoded once",
        at_least=1,
        at_most=1_000_000,
        when={"video": ("full",)},
    )
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    memory_gb: float = option(
        4.0,
        "features (and targets) up to this size are held in memory, larger ones read as needed",
        keyed=False,
        at_least=0,
        at_most=1_000_000,
    )


@dataclass(frozen=True)
class TeacherParams(TrainParams):
    """Parameters of the teacher."""

    graph_layers: int = option(4, "layers of graph attention in a cycle", at_least=1, at_most=100)


@dataclass(frozen=True)
class StudentParams(TrainParams):
    """Parameters of a student; the graph decides ``kd`` and ``video`` (see :func:`nodes`)."""

    kd: str = option("features", "distil the teacher's fused feature, or nothing", choices=("features", "none"))
    kd_alpha: float = option(1.0, "weight of the appearance term", at_least=0, at_most=1_000_000_000, when={"kd": ("features",)})
    kd_beta: float = option(1.0, "weight of the motion term", at_least=0, at_most=1_000_000_000, when={"kd": ("features",)})
    t_app: float = option(1.0, "temperature of the appearance term", at_least=0.001, at_most=1000, when={"kd": ("features",)})
    t_mo: float = option(1.0, "temperature of the motion term", at_least=0.001, at_most=1000, when={"kd": ("features",)})
    kd_reduction: str = option(
        "paper",
        "'paper': KL summed over clips, no t² factor; 'fixed': mean over clips, times t²",
        choices=("paper", "fixed"),
        when={"kd": ("features",)},
    )
    kd_projection: str = option(
        "none",
        "a student narrower than its teacher: 'none' is an error as in the paper, 'linear' learns to widen its features for the terms",
        choices=("none", "linear"),
        when={"kd": ("features",)},
    )
    kd_logits: float = option(
        0.0,
        "weight of a third term, KL of the answer distributions times t_logits²; 0 as published",
        at_least=0,
        at_most=1_000_000_000,
        when={"kd": ("features",)},
    )
    t_logits: float = option(2.0, "temperature of that term", at_least=0.001, at_most=1000, unless=({"kd_logits": (0.0,)},))
    targets: str = option(
        "cached",
        "the teacher's features from the dump, or computed at every step",
        choices=("cached", "online"),
        when={"kd": ("features",)},
    )
    video: str = option("full", "'none' feeds zeros in place of the video: what the question alone gives away", choices=("full", "none"))


@dataclass(frozen=True)
class DumpParams:
    """Parameters of the dump; the graph decides ``logits``: they are kept if the distilled student learns from them."""

    logits: bool = option(False, "keep the teacher's logits too")
    precision: str = option("float32", "float16 halves the file; the loss then differs in the fourth digit", choices=("float32", "float16"))
    batch_size: int = option(256, "questions per step; in the key, because it can change the last bits", at_least=1, at_most=1_000_000)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    memory_gb: float = option(4.0, "features up to this size are held in memory", keyed=False, at_least=0, at_most=1_000_000)


@dataclass(frozen=True)
class EvaluateParams:
    """Parameters of the evaluation."""

    batch_size: int = option(256, "questions per step; in the key, because it can change the last bits", at_least=1, at_most=1_000_000)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    memory_gb: float = option(4.0, "features up to this size are held in memory", keyed=False, at_least=0, at_most=1_000_000)


@dataclass(frozen=True)
class TimingParams:
    """Parameters of the timing."""

    repeats: int = option(15, "the median of so many runs counts", at_least=1, at_most=100_000)
    batch_size: int = option(32, "questions per run of the batched figure", at_least=1, at_most=1_000_000)
    threads: int = option(1, "CPU threads of one operation", at_least=1, at_most=1024)


TEACHER = Stage("teacher", "systems.videoqa.teacher:run", TeacherParams, facets=("device",), verb="distill")
DUMP = Stage("dump", "systems.videoqa.dump:run", DumpParams, facets=("device",), verb="distill")
STUDENT = Stage("student", "systems.videoqa.student:run", StudentParams, facets=("device",), verb="distill")
EVALUATE = Stage(
    "evaluate", "systems.videoqa.evaluate:run", EvaluateParams, facets=("device",), help="Score every network by the paper's protocol."
)
TIMING = Stage("timing", "systems.videoqa.timing:run", TimingParams, facets=("device",), help="Measure how long every network takes.")


def nodes(config: Config, shared: Shared) -> Iterator[Node]:
    """Yield the nodes of this system, for every seed.

    Sections: ``teacher``, ``dump``, ``student`` (for all three students; ``student.kd``, ``student.alone`` and
    ``student.question`` speak to one), ``train`` (for teacher and students), ``evaluate``, ``timing``.
    """
    data = {"questions": shared("questions"), "appearance": shared("extract", "appearance"), "motion": shared("extract", "motion")}
    trained = []
    for seed in config.seeds:
        teacher = Node(f"teacher.s{seed}", TEACHER, config.params("teacher", TeacherParams, seed=seed), data)
        kd = _distilled(config, seed, teacher.params.module_dim)
        dump = Node(f"dump.s{seed}", DUMP, config.params("dump", DumpParams, logits=bool(kd.kd_logits)), {"teacher": teacher, **data})
        source = {"dump": dump} if kd.targets == "cached" else {"teacher": teacher}
        students = {
            "student.alone": Node(f"student.alone.s{seed}", STUDENT, _plain(config, "alone", seed, "full"), data),
            "student.kd": Node(f"student.kd.s{seed}", STUDENT, kd, {**source, **data}),
            "student.question": Node(f"student.question.s{seed}", STUDENT, _plain(config, "question", seed, "none"), data),
        }
        trained.append({"teacher": teacher, **students})
        yield from (teacher, dump, *students.values())
        evaluate = config.params("evaluate", EvaluateParams)
        yield Node(f"evaluate.s{seed}", EVALUATE, evaluate, {**trained[-1], **data, "index": shared("index")})
    if trained:
        yield Node("timing", TIMING, config.params("timing", TimingParams), {**trained[0], **data})


def _plain(config: Config, variant: str, seed: int, video: str) -> StudentParams:
    return config.params(f"student.{variant}", StudentParams, seed=seed, kd="none", video=video)


def _distilled(config: Config, seed: int, width: int) -> StudentParams:
    """Of the distilled student; a projection to the teacher's ``width`` cannot matter where it is that wide itself."""
    params = config.params("student.kd", StudentParams, seed=seed, kd="features", video="full")
    if params.module_dim != width:
        return params
    idle = {"kd_projection": f"teacher and student are both {width} wide"}
    return config.params("student.kd", StudentParams, idle=idle, seed=seed, kd="features", video="full")
