"""``overlay``: people drawn over their frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from media.codings.derived import Derived, Image, People
from media.codings.pictures import PictureCoder, decode_pictures


def coder(options: Mapping[str, Any]) -> PictureCoder:
    """Options: ``variant`` of the drawing, ``codec``, ``quality``. ``add`` needs the frame."""
    from media.codings.skeleton_picture import draw

    def picture(people: Any, frame: Image | None) -> Image:
        if frame is None:
            raise ValueError("the coding overlay draws over the frame")
        return draw(People.of(people).keypoints, *frame.shape[:2], variant=options["variant"], under=frame)

    return PictureCoder(picture, options["codec"], options["quality"])


def decode(options: Mapping[str, Any], payload: bytes) -> Derived:
    """Products are the pictures, RGB uint8: keypoints are lost."""
    return decode_pictures(payload)
