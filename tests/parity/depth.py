"""Parity of AdaBins, its parts and what is done around it, and of pictures of depth."""

from __future__ import annotations

from typing import Any

import torch

from media.codings.depth_colour import colourise
from models.backbones.inputs import input_on
from models.experts import adabins_inference, depth_quality
from models.experts.adabins import AdaBins
from models.experts.adabins_decoder import Decoder
from models.experts.adabins_head import BinsHead
from tests.parity.case import Case, handles

#: the trainer's mask: truth beyond it, in metres
LEAST_DEPTH = 1e-3


def tensors(case: Case) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in case.inputs.items()}


def network(case: Case) -> AdaBins:
    config = case.config
    net = AdaBins(config["n_bins"], config["min_val"], config["max_val"], config["norm"])
    return case.fill(net).eval()


@handles("adabins_full*")
@torch.inference_mode()
def whole(case: Case) -> dict[str, Any]:
    net = network(case)
    x = input_on("cpu", "imagenet", 3)(case.inputs["image"])
    maps = net.encoder(x)
    decoded = net.decoder(maps)
    widths, attention = net.adaptive_bins_layer(decoded)
    edges, depth = net(x)
    fine = {f"enc_block{n}": maps[n][:, ::8, ::4, ::4] for n in range(3)}
    return fine | {
        "bin_edges": edges,
        "pred": depth,
        "bin_widths_normed": widths,
        "enc_block4": maps[3][:, ::16],
        "enc_conv_head": maps[4][:, ::16],
        "decoder_out": decoded[:, ::16, ::8, ::8],
        "attention": attention[:, ::16, ::8, ::8],
    }


@handles("adabins_infer_*")
def inferred(case: Case) -> dict[str, Any]:
    net = network(case)
    middles, depth = adabins_inference.predict(net, case.inputs["image"])
    bits = adabins_inference.sixteen_bits(depth, case.config["saving_factor"])
    case.allow("depth_u16", absolute=1)  # cut off, not rounded: an error of the last bit of depth may be one of these
    return {"bin_centers": middles, "depth": depth[None, None], "depth_u16": bits}


@handles("adabins_decoder*")
@torch.inference_mode()
def decoder(case: Case) -> dict[str, Any]:
    config = case.config
    net = case.fill(Decoder(config["num_features"], config["num_classes"], config["bottleneck_features"])).eval()
    x = tensors(case)
    return {"out": net([x[f"block{n}"] for n in range(5)])}


@handles("adabins_mvit*")
@torch.inference_mode()
def head(case: Case) -> dict[str, Any]:
    c = case.config
    net = BinsHead(c["in_channels"], c["n_query_channels"], c["patch_size"], c["dim_out"], c["embedding_dim"], c["num_heads"], c["norm"])
    widths, attention = case.fill(net).eval()(tensors(case)["x"])
    return {"bin_widths_normed": widths, "range_attention_maps": attention}


@handles("adabins_metrics*")
def metrics(case: Case) -> dict[str, Any]:
    return depth_quality.depth_errors(case.inputs["gt"], case.inputs["pred"])


@handles("adabins_silog*")
def silog(case: Case) -> dict[str, Any]:
    x = tensors(case)
    depth = x["pred"].requires_grad_()
    mask = x["mask"].bool() if "mask" in x else x["target"] > LEAST_DEPTH
    loss = depth_quality.silog_loss(depth, x["target"], mask)
    loss.backward()
    return {"loss": loss, "grad_pred": depth.grad}


@handles("depth_colorize*")
def colours(case: Case) -> dict[str, Any]:
    depth = case.inputs["depth"]
    return {
        "magma_auto": colourise(depth, cmap="magma"),
        "magma_r_0_10": colourise(depth, 0, 10, "magma_r"),
        "jet_r_auto_rows1plus": colourise(depth[:, 1:]),
    }
