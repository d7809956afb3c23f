"""``jet``: depth as a picture: near is dark red, far is dark blue, over the full range of each picture, as Lite-MKD's depth frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from media.codings.derived import Derived, Image
from media.codings.pictures import PictureCoder, decode_pictures


def coder(options: Mapping[str, Any]) -> PictureCoder:
    """Options: ``codec``, ``quality``."""
    from media.codings.depth_colour import colourise

    def draw(depth: Any, frame: Image | None) -> Image:
        return colourise(depth)

    return PictureCoder(draw, options["codec"], options["quality"])


def decode(options: Mapping[str, Any], payload: bytes) -> Derived:
    """Products are the pictures, RGB uint8: metres are lost."""
    return decode_pictures(payload)
