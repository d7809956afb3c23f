"""Parity of the audio that XKD's networks see: spectrograms and what is done to them; numbers are read off the outputs' names."""

from __future__ import annotations

import re
from typing import Any

import torch

from models.training.crops import Box
from systems.xkd import audio_views
from systems.xkd.audio_views import Mask
from systems.xkd.logmel import LogMel, log_mel, mel_bank, normalise
from tests.parity.case import Case, handles


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


@handles("logmel*")
def spectrograms(case: Case) -> dict[str, Any]:
    config = case.config
    how = LogMel(config["sr"], config["n_fft"], config["hop"], config["n_mels"])
    raw = {name: log_mel(torch.from_numpy(wave), how)[None] for name, wave in case.inputs.items()}
    got: dict[str, Any] = {"mel_bank": mel_bank(how), "silence_value": log_mel(torch.zeros(config["sr"]), how)[:, 0]}
    for name in case.outputs:
        if name.startswith("logmel_norm"):
            got[name] = normalise(raw[name.replace("logmel_norm", "wave")], config["mean"], config["std"])
        elif name.startswith("logmel_raw_cols"):
            got[name] = raw["wave"][..., numbers(name)]
    case.allow("logmel*", absolute=1e-3)  # as the case says: another FFT in float32
    return got


@handles("audio_aug*")
def augmented(case: Case) -> dict[str, Any]:
    given = case.inputs
    length = int(re.search(r"-> (\d+) samples", case.config["prep"])[1])
    spectrogram = torch.from_numpy(given["lms"])
    stereo, mono = (next(value for name, value in given.items() if name.startswith(kind)) for kind in ("stereo", "mono"))
    prepared = {"trim": stereo, "pad": mono, "none": None}
    got: dict[str, Any] = {f"prep_{name}": audio_views.prepared(samples, length)[None] for name, samples in prepared.items()}
    for name in case.outputs:
        kind, _, rest = name.partition("_")
        if kind == "voljitter":
            share, by = map(float, re.fullmatch(r"at_([\d.]+)_of_range_vol([\d.]+)", rest).groups())
            got[name] = audio_views.louder(stereo, 1 - by + share * 2 * by)
        elif kind.startswith("randcrop"):
            got[name] = audio_views.resized_crop(spectrogram, Box(*given[f"randcrop_params{kind.removeprefix('randcrop')}"].tolist()))
        elif kind in ("fmask", "tmask"):
            lengths, places = map(numbers, rest.split("_"))
            got[name] = audio_views.masked(spectrogram, -2 if kind == "fmask" else -1, [Mask(*two) for two in zip(places, lengths)])
        elif kind == "timewarp":
            centre, draw = numbers(rest)
            got[name] = audio_views.time_warp(spectrogram, centre, draw + 1)
    return got
