"""Depth as a picture in colours of matplotlib: as the depth frames of Lite-MKD look, near is dark red (``jet_r`` of metres)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def colourise(
    depth: npt.NDArray[np.floating], low: float | None = None, high: float | None = None, cmap: str = "jet_r", invalid: float = -1
) -> npt.NDArray[np.uint8]:
    """Depth (H, W), or (1, H, W), to RGB (H, W, 3).

    ``low`` and ``high`` get the ends of the colour map; None: the least and the largest depth of the picture, in which pixels of value
    ``invalid`` count, as in AdaBins' own pictures. Those pixels are white. A picture of one depth gets the colour of the low end.
    """
    from matplotlib import colormaps  # half a second, and most codings need none of it

    values = np.asarray(depth).reshape(np.shape(depth)[-2:])
    least = values.min() if low is None else low
    most = values.max() if high is None else high
    places = (values - least) / (most - least) if most != least else np.zeros_like(values)
    picture: npt.NDArray[np.uint8] = colormaps[cmap](places, bytes=True)[..., :3]
    picture[values == invalid] = 255
    return picture
