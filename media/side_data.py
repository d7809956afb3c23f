"""What a decoder tells of a picture beside its pixels, also where FFmpeg has a kind of it that PyAV has no name for.

PyAV 18.1 lists the kinds by name and gives none at all as soon as one has no name: the Exif of a camera's MJPEG, the number of the
view in a spatial video.
"""

from __future__ import annotations

from typing import Any

from av.sidedata.sidedata import Type


def _unnamed(kind: type[Type], value: object) -> Type:
    """A member for a kind without a name."""
    found = object.__new__(kind)
    found._name_, found._value_ = f"KIND_{value}", value
    return found


Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment]


def display_matrix(picture: Any) -> bytes | None:
    """The display matrix of a picture (36 bytes), or None."""
    found = picture.side_data.get(Type.DISPLAYMATRIX)
    return None if found is None else bytes(found)
