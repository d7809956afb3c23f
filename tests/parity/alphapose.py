"""Parity of AlphaPose: crops, FastPose, decoding of heat maps, pose NMS and JSON, the detector's steps, pictures of skeletons."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from formats.alphapose import Skeletons, results
from media.codings.skeleton_picture import SHOWN, draw
from models.experts import pose_crops
from models.experts.fastpose import FastPose
from models.experts.flip_test import FlipTest
from models.experts.letterbox import boxes_back, letterbox
from models.experts.person_boxes import people_rows
from models.experts.pose_nms import person_scores, pose_nms
from models.experts.yolov3_spp import decode as decode_boxes
from tests.parity.case import Case, Mismatch, handles

#: width of the narrow picture that the case of the letterbox cuts out
NARROW = 41
#: allowed between pictures of skeletons, in levels (the rims of OpenCV's versions differ as well)
MEAN_DIFFERENCE = 0.5


@handles("alphapose_box_affine*")
def box_affine(case: Case) -> dict[str, Any]:
    """Boxes to crops: middles, sizes, both maps, the crops' boxes."""
    shape, maps = case.config.get("input_size_hw", (256, 192)), case.config.get("heatmap_hw", (64, 48))
    centre, size = pose_crops.centre_and_size(case.inputs["boxes"], *shape, grown=case.config.get("scale_mult", pose_crops.GROWN))
    return {
        "center": centre,
        "scale": size,
        "affine": pose_crops.affine(centre, size, *shape),
        "crop_box": pose_crops.crop_boxes(centre, size),
        "affine_inv_heatmap": pose_crops.affine_back(centre, size, *maps),
    }


@handles("alphapose_crop*")
def crop(case: Case) -> dict[str, Any]:
    """A picture and boxes to network input, of which every other row and column is kept."""
    case.allow("crop", absolute=2 / 255 + 1e-4)
    centre, size = pose_crops.centre_and_size(case.inputs["boxes"])
    crops = np.stack([pose_crops.crop(case.inputs["image"], c, s) for c, s in zip(centre, size)])
    return {"crop": pose_crops.network_input(crops)[:, :, ::2, ::2], "crop_box": pose_crops.crop_boxes(centre, size)}


@handles("alphapose_decode*")
def decode(case: Case) -> dict[str, Any]:
    """Heat maps to joints, and the same of the average with a second set."""
    maps, box = case.inputs["heatmaps"], case.inputs["crop_box"]
    coords, scores = pose_crops.joints_of(maps[None], box[None])
    average = (maps + case.inputs["heatmaps_flip"]) / 2
    coords_avg, scores_avg = pose_crops.joints_of(average[None], box[None])
    return {"coords": coords[0], "scores": scores[0], "coords_avg": coords_avg[0], "scores_avg": scores_avg[0]}


@handles("alphapose_fastpose*")
def fastpose(case: Case) -> dict[str, Any]:
    """The network on crops, plain and with the flip test."""
    net = case.fill(FastPose(case.config.get("num_joints", 17), case.config.get("conv_dim", 128))).eval()
    x, box = torch.from_numpy(case.inputs["crop"]), case.inputs["crop_box"].reshape(-1, 4)
    with torch.inference_mode():
        maps = net(x)
        outputs = {"heatmaps": maps, "backbone": net.preact(x)[:, ::32]}
        both = FlipTest(net).feature(x)
    outputs["heatmaps_flipavg"] = both
    for suffix, value in (("", maps), ("_flipavg", both)):
        coords, scores = pose_crops.joints_of(value.numpy(), box)
        outputs |= {f"coords{suffix}": coords[0], f"scores{suffix}": scores[0]}
    return outputs


@handles("alphapose_pose_nms*")
def nms(case: Case) -> dict[str, Any]:
    """Grouping and merging, and the JSON of all forms."""
    given = case.inputs
    kept = pose_nms(given["poses"], given["scores"], given["boxes"], given["box_scores"], case.config.get("areaThres", 0))
    total = person_scores(kept.scores, kept.box_scores)
    ids = tuple(tuple(float(given["ids"][member].item()) for member in group) for group in kept.members)
    flat = np.concatenate([kept.boxes[:, :2], kept.boxes[:, 2:] - kept.boxes[:, :2]], 1)
    people = Skeletons(np.concatenate([kept.poses, kept.scores], 2), flat, total, ids)
    told = case.meta.get("expected_json") or {}
    for form, want in told.items():
        if form.endswith("_sep_files"):
            got: Any = [f"{name.partition('.')[0]}.json" for name in told[form.removesuffix("_sep_files")]]
        else:
            got = results({picture(told): people}, form.removesuffix("_for_eval"), numbered=form.endswith("_for_eval"))
        same_json(f"expected_json.{form}", got, want)
    if "merged_ids" in case.meta:
        same_json("merged_ids", [list(one) if len(one) == 1 else [[n] for n in one] for one in ids], case.meta["merged_ids"])
    return {
        "picked": kept.picked,
        "out_poses": kept.poses,
        "out_scores": kept.scores,
        "out_boxes": kept.boxes,
        "out_box_scores": kept.box_scores,
        "proposal_scores": total,
    }


def picture(told: dict[str, Any]) -> str:
    """The name of the picture that a case's results are of: the same in all forms."""
    return next(iter(told["cmu"])) if told.get("cmu") else "000000000139.jpg"


def same_json(where: str, got: Any, want: Any) -> None:
    """Raise Mismatch at the first place where two values differ; numbers may, by a hundred thousandth."""
    if isinstance(want, dict) and isinstance(got, dict):
        same_json(f"{where} keys", list(got), list(want))
        for key in want:
            same_json(f"{where}.{key}", got[key], want[key])
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for number, pair in enumerate(zip(got, want)):
            same_json(f"{where}[{number}]", *pair)
    elif isinstance(want, float) and isinstance(got, float):
        if abs(got - want) > 1e-5 * max(1.0, abs(want)):
            raise Mismatch(f"{where}: {got}, expected {want}")
    elif type(got) is not type(want) or got != want:
        raise Mismatch(f"{where}: {got}, expected {want}")


@handles("alphapose_letterbox*")
def letterboxed(case: Case) -> dict[str, Any]:
    """Pictures in a grey square; the narrow one is the left of the wide one."""
    case.allow("*", absolute=2)
    image, side = case.inputs["image"], case.config.get("inp_dim", 608)
    return {"out": letterbox(image, side), "out_narrow": letterbox(image[:, :NARROW], side)}


@handles("alphapose_yolo_decode*")
def yolo_decode(case: Case) -> dict[str, Any]:
    """One output of the detector's network to boxes."""
    told = case.config
    return {"out": decode_boxes(torch.from_numpy(case.inputs["pred"]), told["inp_dim"], told["anchors"], told.get("num_classes", 80))}


@handles("alphapose_yolo_post*")
def yolo_post(case: Case) -> dict[str, Any]:
    """Predictions to people in each picture."""
    told, side = case.config, case.config.get("inp_dim", 608)
    found = []
    for number, (prediction, (width, height)) in enumerate(zip(case.inputs["prediction"], case.inputs["image_wh"])):
        rows = people_rows(prediction, told.get("confidence", 0.1), told.get("nms_thres", 0.6))
        rows[:, :4] = boxes_back(rows[:, :4], int(height), int(width), side)
        found.append(np.concatenate([np.full((len(rows), 1), number, np.float32), rows], 1))
    return {"dets": np.concatenate(found)}


@handles("alphapose_render*")
def rendered(case: Case) -> dict[str, Any]:
    """Two people on black, in both variants. Rims differ a little: the mean difference counts, as the case says."""
    people = np.concatenate([case.inputs["keypoints"], case.inputs["scores"]], 2)
    told, least = case.meta["outputs"], case.config.get("vis_thres", SHOWN)
    outputs = {variant: draw(people, *told[variant][:2], variant, least=least)[..., ::-1] for variant in told}
    for name, picture in outputs.items():
        away = np.abs(picture.astype(int) - case.outputs[name]).mean()
        if away >= MEAN_DIFFERENCE:
            raise Mismatch(f"out.{name}: {away:.2f} levels off on average")
        case.allow(name, absolute=255)
    return outputs
