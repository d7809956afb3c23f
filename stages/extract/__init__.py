"""The ``extract`` stage: features of sampled frames by a frozen network.

One stage, a use for each kind of features (:mod:`models.backbones.kinds`): ``extract.appearance``, ``extract.motion``, ``extract.flow``.
Reads ``index`` and ``sample`` (with its items); writes ``<dataset>_<kind>_feat.h5`` and ``features.json``; see :mod:`stages.extract.run`.
In int8 it also reads ``calibration``, a node of its own (``extract.motion.calibration``): :mod:`stages.extract.calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cache.errors import ConfigError
from cache.stage import Stage, option
from models.backbones.kinds import KINDS, Kind
from models.backbones.registry import Backbone, find, module_of
from models.inference import runtimes
from models.inference.runtimes import INT8, MEASURED_PRECISIONS, RUNTIME_NAMES
from models.weights import WEIGHTS, Weights, of_backbone


@dataclass(frozen=True)
class CalibrationParams:
    """What the stage ``extract`` and the calibration of int8 have in common: which network looks, and at which input."""

    kind: str = option(
        "appearance", "features of each frame (appearance) or of each clip (motion, flow)", choices=("appearance", "motion", "flow")
    )
    backbone: str = option(
        "", "name in the registry of backbones, or timm:NAME; '' is the kind's own: small2d and small3d, made for the world"
    )
    weights: str = option(
        "world",
        "'world' (shipped, for small2d, small3d, people2d, people3d, pose2d, small_i3d), a published name such as imagenet1k_v1 or "
        "kinetics400 (needs weights_file, which is checked), 'file' (weights_file as it is) or 'random' (flagged in every report)",
    )
    weights_file: str = option(
        "",
        "path of a weights file: .safetensors, .pth; keyed by its content",
        unless=(
            {"weights": ("random",)},
            {"weights": ("world",), "backbone": ("", "small2d", "small3d", "people2d", "people3d", "pose2d", "small_i3d")},
        ),
    )
    random_seed: int = option(0, "seed of weights=random", at_least=0, at_most=2**32 - 1, when={"weights": ("random",)})
    image_size: int = option(0, "side of the square that frames are resized to; 0 is the backbone's own", at_least=0, at_most=4096)
    resize: str = option(
        "pil",
        "bicubic with antialiasing, no crop, aspect ratio not kept: 'pil' as published, 'torch' faster and a level off here and there",
        choices=("pil", "torch"),
    )
    input: str = option(
        "",
        "how pixels become network input; '' is as published. appearance: 'paper' has 0.224 for the blue deviation, 'imagenet' 0.225 "
        "(what '' is for timm's networks), 'symmetric' -1..1; motion: 'raw255' "
        "0..255 as they are, 'mean_subtract' minus the ActivityNet mean, 'kinetics2020', 'symmetric' -1..1 (I3D, flow)",
        choices=("", "paper", "imagenet", "symmetric", "raw255", "mean_subtract", "kinetics2020"),
    )

    @property
    def form(self) -> Kind:
        """What a network of this kind looks at."""
        return KINDS[self.kind]

    @property
    def network(self) -> Backbone:
        """The registry's entry of the backbone; an unknown name, or a network or an input of another kind, raises ConfigError."""
        assert self.pixels
        return find(self.backbone or self.form.backbone, self.kind)

    @property
    def published(self) -> list[Weights]:
        """The known weights of the network."""
        return of_backbone(self.network.name)

    @property
    def named_weights(self) -> str:
        """The short name of the weights."""
        return self.weights

    @property
    def pixels(self) -> str:
        """The name of how pixels become network input; one that is not of this kind raises ConfigError."""
        if self.input and self.input not in self.form.inputs:
            raise ConfigError(f"{self.kind} features have no input {self.input!r}", hint="known: " + ", ".join(self.form.inputs))
        usual = "imagenet" if self.backbone.startswith("timm:") else self.form.inputs[0]
        return self.input or usual

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that are imported by name: an edit of another network is none of its business."""
        return (module_of(self.network),)

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose arithmetic the network is."""
        own = self.network.library
        return (*runtimes.libraries_of("eager"), *((own,) if own else ()))

    @property
    def data(self) -> tuple[Path, ...]:
        """The shipped weights, if they are the ones to use."""
        known = WEIGHTS.get(f"{self.network.name}.{self.weights}")
        return (known.path,) if known is not None and known.shipped else ()


@dataclass(frozen=True)
class ExtractParams(CalibrationParams):
    """Parameters of the ``extract`` stage; the defaults are the published ones, but for the networks."""

    runtime: str = option(
        "eager",
        "what computes: PyTorch's operations, 'winograd' (the same with 3x3 convolutions that need a C compiler and a CPU), 'compile' "
        "(PyTorch's compiler; on a CPU it needs a C++ compiler), 'openvino' (CPU, an extra)",
        choices=RUNTIME_NAMES,
    )
    precision: str = option(
        "float32",
        "of the network's arithmetic; the others are for devices that are faster with them; 'int8' (runtime=openvino) is scaled by some of "
        "the dataset's own videos",
        choices=MEASURED_PRECISIONS,
    )
    lost_videos: str = option(
        "leave_out",
        "a video without frames gets no row (its questions are counted, not trained on), or zeros as in HCRN (the ledger names it)",
        choices=("leave_out", "zeros"),
    )
    max_lost: float = option(
        0.0, "fraction of videos whose features may be not finite before the stage fails", keyed=False, at_least=0, at_most=1
    )

    @property
    def modules(self) -> tuple[str, ...]:
        """The network's, and that of the runtime."""
        return (*super().modules, runtimes.module_of(self.runtime))

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose arithmetic these features are."""
        return tuple(dict.fromkeys((*runtimes.libraries_of(self.runtime), *super().libraries)))

    @property
    def conflict(self) -> tuple[str, str] | None:
        """What of it can go together on no machine, and what to type; None if all can."""
        return runtimes.conflict(self.runtime, self.precision)

    @property
    def wanted(self) -> tuple[str, ...]:
        """What int8 is scaled by is measured first."""
        return ("calibration",) if self.precision == INT8 else ()

    @property
    def data(self) -> tuple[Path, ...]:
        """The shipped weights, if they are the ones to use, and the source that the runtime compiles."""
        return (*super().data, *runtimes.data_of(self.runtime))


CALIBRATION = Stage(
    name="extract",
    entry="stages.extract.calibration:run",
    params=CalibrationParams,
    files=("weights_file",),
    facets=("device",),
    libraries="libraries",
    reads=("index", "sample"),
    modules="modules",
    data="data",
    lasting=True,
)
STAGE = Stage(
    name="extract",
    entry="stages.extract.run:run",
    params=ExtractParams,
    files=("weights_file",),
    facets=("device",),
    libraries="libraries",
    items=("index", "sample"),
    help="Extract features (appearance, motion, flow) into HDF5.",
    reads=("index", "sample"),
    tolerance="max_lost",
    modules="modules",
    data="data",
    before=(("calibration", CALIBRATION),),
    wanted="wanted",
)
