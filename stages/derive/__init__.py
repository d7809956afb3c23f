"""derive: what was not filmed, from the sampled frames: optical flow, depth, people's poses.

One stage, a use for each modality: ``derive.flow``, ``derive.depth``, ``derive.skeleton``. Reads ``index`` and ``sample`` (with its items);
what it keeps is read as sampled frames are: see :mod:`stages.derive.run`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.errors import ConfigError
from cache.stage import Stage, option
from media.codings import CODINGS, OPTIONS
from media.codings.table import module_of as module_of_coding
from models.experts import weights as table
from models.experts.registry import OF_LIBRARIES, Entry, find, module_of
from models.inference import runtimes
from models.inference.runtimes import PRECISIONS, RUNTIME_NAMES
from models.weights import Weights

#: kind -> the expert where none is named: those that need no download
EXPERTS = {"flow": "dis", "depth": "small-depth", "skeleton": "small-pose"}


@dataclass(frozen=True)
class DeriveParams:
    """Which modality, who sees it, and how it is kept."""

    kind: str = option("flow", "what is derived", choices=("flow", "depth", "skeleton"))
    expert: str = option(
        "", "name in the registry of experts (docs/DERIVE.md); '' is dis, small-depth or small-pose, which need no download"
    )
    weights: str = option(
        "",
        "'' is the expert's usual ones; a published name (needs weights_file, which is checked), 'file' (weights_file as it is) or "
        "'random' (flagged)",
        unless=({"kind": ("flow",), "expert": ("", "tvl1", "dis", "farneback")},),
    )
    weights_file: str = option("", "path of the expert's weights; keyed by its content", unless=({"weights": ("random",)},))
    random_seed: int = option(0, "seed of weights=random", at_least=0, at_most=2**32 - 1, when={"weights": ("random",)})
    detector: str = option(
        "yolov3",
        "who finds the people for alphapose and rtmpose; 'whole': the picture shows one",
        choices=("yolov3", "fasterrcnn", "ssdlite", "whole"),
        when={"expert": ("alphapose-fastpose50", "rtmpose")},
    )
    detector_weights_file: str = option(
        "",
        "path of the detector's weights; keyed by its content",
        when={"expert": ("alphapose-fastpose50", "rtmpose"), "detector": ("yolov3", "fasterrcnn", "ssdlite")},
    )
    detector_confidence: float = option(
        0.0,
        "people below it are left out; 0 is the detector's own",
        at_least=0,
        at_most=1,
        when={"expert": ("alphapose-fastpose50", "rtmpose"), "detector": ("yolov3", "fasterrcnn", "ssdlite")},
    )
    results_file: str = option(
        "",
        "path of the poses of expert=results: a .zip or .json of AlphaPose's results, a .pkl of MMAction2; keyed by its content",
        when={"expert": ("results",)},
    )
    results_first: int = option(
        0, "number of the first frame in AlphaPose's names of pictures", at_least=0, at_most=1_000_000, when={"expert": ("results",)}
    )
    pose_nms: bool = option(True, "poses that are of one person are merged, as AlphaPose does", when={"expert": ("alphapose-fastpose50",)})
    mirror: bool = option(
        False,
        "the mean of a frame and its mirror image: AdaBins' and AlphaPose's own way to publish figures, twice the work",
        when={"expert": ("adabins-nyu", "adabins-kitti", "alphapose-fastpose50")},
    )
    working: int = option(
        0,
        "short side in pixels that the depth network works at; 0 is its own rule",
        at_least=0,
        at_most=4096,
        when={"expert": ("adabins-nyu", "adabins-kitti")},
    )
    pairs: str = option(
        "next-frame",
        "flow is from each frame to the next one of the video (sample.with_next keeps it), or to the next sampled one; "
        "the last frame has the flow before it",
        choices=("next-frame", "next-sample"),
        when={"kind": ("flow",)},
    )
    size_rule: str = option(
        "resize",
        "frames whose sides are no multiples of 64: FlowNet2 works on a resized frame and scales flow back, or on a cropped or padded one",
        choices=("resize", "crop", "pad"),
        when={"expert": ("flownet2", "flownet2-css", "flownet2-css-ft-sd", "flownet2-cs", "flownet2-c", "flownet2-s", "flownet2-sd")},
    )
    refine: int = option(
        0,
        "iterations of variational refinement after a classical flow: 20 helps dis and farneback on small frames; 0 is as published",
        at_least=0,
        at_most=1000,
        when={"kind": ("flow",), "expert": ("", "tvl1", "dis", "farneback")},
    )
    iterations: int = option(12, "of RAFT", at_least=1, at_most=100, when={"expert": ("raft-large", "raft-small")})
    width: int = option(0, "frames are resized to it first (bicubic); 0 = as they are", at_least=0, at_most=8192)
    height: int = option(0, "frames are resized to it first (bicubic); 0 = as they are", at_least=0, at_most=8192)
    coding: str = option(
        "",
        "how it is kept. flow: 'wheel' (colours), 'xy' (8 bit), 'float'; depth: 'jet' (colours), 'grey16', 'float'; skeleton: 'black' "
        "(drawn), 'overlay' (drawn over the frame), 'keypoints'; '' is the first, which Lite-MKD reads",
        choices=("", "wheel", "xy", "float", "jet", "grey16", "black", "overlay", "keypoints"),
    )
    bound: float = option(20.0, "flow in pixels that 8 bits hold", above=0, at_most=10_000, when={"kind": ("flow",), "coding": ("xy",)})
    rule: str = option(
        "denseflow",
        "how 8 bits are made: as denseflow and dense_flow do, as MMAction2's script, as the I3D features do",
        choices=("denseflow", "mmaction", "i3d"),
        when={"kind": ("flow",), "coding": ("xy",)},
    )
    zero: str = option(
        "white",
        "the colour of a picture without any motion; the original paints it black",
        choices=("white", "black"),
        when={"kind": ("flow",), "coding": ("", "wheel")},
    )
    factor: float = option(1000.0, "levels a metre of grey16", above=0, at_most=1_000_000, when={"kind": ("depth",), "coding": ("grey16",)})
    variant: str = option(
        "fast",
        "skeletons of lines, or of blended limbs",
        choices=("fast", "full"),
        when={"kind": ("skeleton",), "coding": ("", "black", "overlay")},
    )
    codec: str = option("jpeg", "how pictures are kept", choices=("jpeg", "png"), unless=({"coding": ("float", "grey16", "keypoints")},))
    quality: int = option(
        95, "quality of jpeg", at_least=1, at_most=100, when={"codec": ("jpeg",)}, unless=({"coding": ("float", "grey16", "keypoints")},)
    )
    runtime: str = option(
        "eager",
        "what computes a network: see extract",
        choices=RUNTIME_NAMES,
        unless=({"kind": ("flow",), "expert": ("", "tvl1", "dis", "farneback")},),
    )
    precision: str = option(
        "float32",
        "of a network's arithmetic; the others are for devices that are faster with them",
        choices=PRECISIONS,
        unless=({"kind": ("flow",), "expert": ("", "tvl1", "dis", "farneback")},),
    )
    max_lost: float = option(
        0.0, "fraction of videos that may have no result that is finite before the stage fails", keyed=False, at_least=0, at_most=1
    )

    @property
    def network(self) -> Entry:
        """The registry's entry; an unknown expert, or one of another kind, raises ConfigError."""
        return find(self.expert or EXPERTS[self.kind], self.kind)

    @property
    def form(self) -> str:
        """The name of the coding; one that is not of this kind raises ConfigError."""
        known = CODINGS[self.kind]
        if self.coding and self.coding not in known:
            raise ConfigError(f"{self.kind} has no coding {self.coding!r}", hint="known: " + ", ".join(known))
        return self.coding or known[0]

    @property
    def form_options(self) -> dict[str, Any]:
        """The options of the coding that count."""
        return {name: getattr(self, name) for name in OPTIONS[self.kind, self.form]}

    @property
    def published(self) -> list[Weights]:
        """The known weights of the expert."""
        return table.of_expert(self.network.name)

    @property
    def named_weights(self) -> str:
        """The short name of the weights, "" of an expert that has none."""
        return self.weights or self.network.weights if self.network.weights else ""

    @property
    def finder(self) -> Weights | None:
        """The weights of the detector, None where none is needed."""
        if self.network.name not in ("alphapose-fastpose50", "rtmpose") or self.detector == "whole":
            return None
        return table.WEIGHTS[f"{self.detector}.coco"]

    @property
    def conflict(self) -> tuple[str, str] | None:
        """What of it can go together on no machine, and what to type; None if all can."""
        if not self.network.network:
            return None
        found = self.finder
        for name in (self.network.name, "" if found is None else found.backbone):
            if name in OF_LIBRARIES and (self.runtime, self.precision) != ("eager", "float32"):
                what = f"{name} computes as its library does, with runtime=eager and precision=float32"
                return what, "--set {section}.runtime=eager --set {section}.precision=float32"
        if self.network.name == "rtmpose" and self.weights == "random":
            return "rtmpose is an ONNX file: it has no random weights", "--set {section}.weights_file=PATH, a local rtmpose-*.onnx"
        return runtimes.conflict(self.runtime, self.precision)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that are imported by name for them."""
        own = (module_of(self.network), module_of_coding(self.kind, self.form))
        return (*own, runtimes.module_of(self.runtime)) if self.network.network else own

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose arithmetic it is."""
        own = (self.network.library,) if self.network.library else ()
        return (*own, *(runtimes.libraries_of(self.runtime) if self.network.network else ()))

    @property
    def data(self) -> tuple[Path, ...]:
        """The shipped weights, if they are the ones to use, and the source that the runtime compiles."""
        known = table.WEIGHTS.get(f"{self.network.name}.{self.named_weights}")
        weights = (known.path,) if known is not None and known.shipped else ()
        return (*weights, *(runtimes.data_of(self.runtime) if self.network.network else ()))


STAGE = Stage(
    name="derive",
    entry="stages.derive.run:run",
    params=DeriveParams,
    files=("weights_file", "detector_weights_file", "results_file"),
    facets=("device",),
    libraries="libraries",
    items=("index", "sample"),
    help="Derive optical flow, depth and skeletons from the sampled frames.",
    reads=("index", "sample"),
    tolerance="max_lost",
    modules="modules",
    data="data",
)
