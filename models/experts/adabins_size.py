"""Which size frames are made before AdaBins sees them."""

from __future__ import annotations

from models.experts.adabins_head import MOST_TOKENS
from models.experts.depth import scaled
from models.experts.frame_size import FrameSizeError

#: the short side in pixels, what both sides are multiples of, patches of 16 pixels of a map of half the size
SHORT, MULTIPLE, PATCH = 480, 32, 16
#: one token says the widths of the bins, 128 are kernels
LEAST_TOKENS = 129


def tokens(height: int, width: int) -> int:
    """Patches that AdaBins' transformer sees of a picture."""
    return (-(-height // 2) // PATCH) * (-(-width // 2) // PATCH)


def adabins_size(height: int, width: int, working: int = 0) -> tuple[int, int]:
    """Working size of AdaBins for frames of ``height`` x ``width``: short side 480, less where that gives too many tokens.

    ``working`` is another short side. Raises ConfigError if it, or no size at all, gives 129 to 500 tokens.
    """
    shorts = [working] if working else list(range(SHORT, 0, -MULTIPLE))
    for short in shorts:
        size = scaled(height, width, short, MULTIPLE)
        if LEAST_TOKENS <= tokens(*size) <= MOST_TOKENS:
            return size
    if not working:
        raise FrameSizeError(f"AdaBins cannot see frames of {width} x {height}: they are too narrow at any size", hint="crop them")
    raise FrameSizeError(
        f"AdaBins would see frames of {width} x {height} at {size[1]} x {size[0]}, as {tokens(*size)} patches; "
        f"{LEAST_TOKENS} to {MOST_TOKENS} are possible",
        hint=f"working=0 takes {min(adabins_size(height, width))}",
    )
