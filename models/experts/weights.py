"""Weights of experts: a table as that of the backbones (:mod:`models.weights`), apart from it so that an edit here is no business there."""

from __future__ import annotations

from dataclasses import replace

from models.weights import IMAGENET_MEAN, IMAGENET_STD, Weights

#: where shipped ones lie in ``models/``
FOLDER = "experts/shipped"


def _adabins(setting: str, trained: str) -> Weights:
    return Weights(
        f"adabins-{setting}.{setting}",
        f"adabins-{setting}",
        f"AdaBins_{setting}.pt",
        "https://github.com/shariqfarooq123/AdaBins",
        f"GPL-3.0 (the authors' repository); trained on {trained}",
        480,
        IMAGENET_MEAN,
        IMAGENET_STD,
        naming="AdaBins, under the key model",
    )


def _world(expert: str, image_size: int, sha256: str) -> Weights:
    """Shipped; ``image_size`` is the short side, 0 if any will do."""
    return Weights(
        f"{expert}.world",
        expert,
        f"{expert}_world.safetensors",
        "python -m stages.derive.pretraining (models/experts/shipped/README.md)",
        "Apache-2.0; trained on the drawn world of this project",
        image_size,
        (127.5,) * 3,
        (127.5,) * 3,
        scale=255,
        sha256=sha256,
        naming=expert,
        shipped=True,
        folder=FOLDER,
    )


def _flownet2(expert: str, file: str, megabytes: float) -> Weights:
    """RGB 0..255, of which a network takes off the mean of the pair by itself."""
    return Weights(
        f"{expert}.published",
        expert,
        file,
        "https://github.com/NVIDIA/flownet2-pytorch (README: Converted Caffe Pre-trained Models)",
        "the terms of FlowNet 2.0's authors (https://github.com/lmb-freiburg/flownet2); trained on FlyingChairs and FlyingThings3D",
        0,
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        scale=255,
        naming="flownet2-pytorch",
        megabytes=megabytes,
    )


def _raft(expert: str, file: str, megabytes: float, trained: str) -> Weights:
    """``_C_T_V2-01064c6d.pth``: what it was trained on, in letters, and the beginning of its digest."""
    name, _, digest = file.removesuffix(".pth").removeprefix(f"{expert.replace('-', '_')}_").rpartition("-")
    authors = "; weights of https://github.com/princeton-vl/RAFT" if name.endswith("V1") else ""
    return Weights(
        f"{expert}.{name.lower()}",
        expert,
        file,
        f"https://download.pytorch.org/models/{file}",
        f"BSD-3-Clause (torchvision{authors}); trained on {trained}",
        0,
        (0.5, 0.5, 0.5),
        (0.5, 0.5, 0.5),
        sha256=digest,
        naming="torchvision",
        megabytes=megabytes,
    )


def _alphapose(short: str, file: str, trained: str) -> Weights:
    return Weights(
        f"alphapose-fastpose50.{short}",
        "alphapose-fastpose50",
        file,
        "https://github.com/MVIG-SJTU/AlphaPose (docs/MODEL_ZOO.md)",
        f"academic, non-commercial use only (AlphaPose); trained on {trained}",
        256,
        (0.406, 0.457, 0.480),
        (1.0, 1.0, 1.0),
        naming="AlphaPose",
    )


def _detection(expert: str, file: str, megabytes: float) -> Weights:
    """torchvision's, of COCO."""
    return Weights(
        f"{expert}.coco",
        expert,
        file,
        f"https://download.pytorch.org/models/{file}",
        "BSD-3-Clause (torchvision); trained on COCO",
        320 if expert == "ssdlite" else 800,
        IMAGENET_MEAN,
        IMAGENET_STD,
        sha256=file.removesuffix(".pth").rpartition("-")[2],
        naming="torchvision",
        classes=2 if expert == "keypointrcnn" else 91,
        megabytes=megabytes,
    )


def _rtmpose(size: str, file: str) -> Weights:
    return Weights(
        f"rtmpose.body7-{size}",
        "rtmpose",
        file,
        "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk/ (the zip of that name; the file is its end2end.onnx)",
        "Apache-2.0 (MMPose); trained on seven sets of bodies, COCO among them",
        384 if size == "x" else 256,
        (123.675, 116.28, 103.53),
        (58.395, 57.12, 57.375),
        scale=255,
        naming="ONNX, SimCC",
    )


_YOLOV3 = Weights(
    "yolov3.coco",
    "yolov3",
    "yolov3-spp.weights",
    "https://pjreddie.com/media/files/yolov3-spp.weights",
    "public domain (Darknet); trained on COCO",
    608,
    (0.0, 0.0, 0.0),
    (1.0, 1.0, 1.0),
    naming="Darknet",
    classes=80,
)

_CT = "FlyingChairs and FlyingThings3D"
_SKHT = f"{_CT}, then Sintel, KITTI, HD1K and FlyingThings3D"
_ALL: tuple[Weights, ...] = (
    _flownet2("flownet2", "FlowNet2_checkpoint.pth.tar", 620.0),
    _flownet2("flownet2-css", "FlowNet2-CSS_checkpoint.pth.tar", 445.0),
    _flownet2("flownet2-css-ft-sd", "FlowNet2-CSS-ft-sd_checkpoint.pth.tar", 445.0),
    _flownet2("flownet2-cs", "FlowNet2-CS_checkpoint.pth.tar", 297.0),
    _flownet2("flownet2-c", "FlowNet2-C_checkpoint.pth.tar", 149.0),
    _flownet2("flownet2-s", "FlowNet2-S_checkpoint.pth.tar", 148.0),
    _flownet2("flownet2-sd", "FlowNet2-SD_checkpoint.pth.tar", 173.0),
    _raft("raft-large", "raft_large_C_T_SKHT_V2-ff5fadd5.pth", 20.129, _SKHT),
    _raft("raft-large", "raft_large_C_T_SKHT_V1-0b8c9e55.pth", 20.129, _SKHT),
    _raft("raft-large", "raft_large_C_T_SKHT_K_V2-b5c70766.pth", 20.129, f"{_SKHT}, then KITTI"),
    _raft("raft-large", "raft_large_C_T_SKHT_K_V1-4a6a5039.pth", 20.129, f"{_SKHT}, then KITTI"),
    _raft("raft-large", "raft_large_C_T_V2-1bb1363a.pth", 20.129, _CT),
    _raft("raft-large", "raft_large_C_T_V1-22a6c225.pth", 20.129, _CT),
    _raft("raft-small", "raft_small_C_T_V2-01064c6d.pth", 3.821, _CT),
    _raft("raft-small", "raft_small_C_T_V1-ad48884c.pth", 3.821, _CT),
    _adabins("nyu", "NYU Depth v2 (and ImageNet-1k)"),
    _adabins("kitti", "KITTI (and ImageNet-1k)"),
    replace(
        _world("small-flow", 0, "f1ab64926fac2e7bcdb6c1c678b9f0289c885bf78507eca1d11a8f6908b2f9ca"),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    ),
    _world("small-depth", 120, "57cf12a952fc819cae1db49241c1b4e52c518c8b6b3cde9e7d761c2637c63881"),
    _alphapose("coco", "fast_res50_256x192.pth", "COCO (and ImageNet-1k)"),
    _alphapose("halpe26", "halpe26_fast_res50_256x192.pth", "Halpe-26 (and ImageNet-1k)"),
    _YOLOV3,
    _detection("ssdlite", "ssdlite320_mobilenet_v3_large_coco-a79551df.pth", 13.418),
    _detection("fasterrcnn", "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", 167.104),
    _detection("keypointrcnn", "keypointrcnn_resnet50_fpn_coco-fc266e95.pth", 226.054),
    _rtmpose("s", "rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504.onnx"),
    _rtmpose("m", "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.onnx"),
    _rtmpose("x", "rtmpose-x_simcc-body7_pt-body7_700e-384x288-71d7b7e9_20230629.onnx"),
    replace(
        _world("small-pose", 120, "6fc6830bc2fbb7bfd37fb756e68684ba6cd7a18bc76fe84da17ccf0c56d110fe"),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        scale=1,
    ),
)
#: ``<expert>.<short name>`` -> its entry; ``backbone`` of an entry is the expert's name, or the detector's.
WEIGHTS: dict[str, Weights] = {entry.name: entry for entry in _ALL}


def of_expert(name: str) -> list[Weights]:
    """The known weights of an expert, or of a detector."""
    return [entry for entry in WEIGHTS.values() if entry.backbone == name]
