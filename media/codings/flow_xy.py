"""``xy``: flow as two grey pictures of 8 bits, x and y, as two-stream networks read it; the bound is in pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from media.codings.derived import Derived, Image
from media.codings.pictures import PictureCoder, decode_pictures
from media.codings.quantise import pixels, quantise


def coder(options: Mapping[str, Any]) -> PictureCoder:
    """Options: ``rule``, ``bound``, ``codec``, ``quality``."""

    def draw(flow: Any, frame: Image | None) -> Image:
        return quantise(np.asarray(flow, np.float32), options["rule"], options["bound"])

    return PictureCoder(draw, options["codec"], options["quality"])


def decode(options: Mapping[str, Any], payload: bytes) -> Derived:
    """Products are float32 (H, W, 2) in pixels: within bound / 255 of what was added if ``codec`` is png."""
    found = decode_pictures(payload)
    return replace(found, product=lambda number: pixels(found.product(number), options["rule"], options["bound"]))
