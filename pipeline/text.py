"""Numbers as people read them, and write them."""

from __future__ import annotations

import math


def size_text(size: float) -> str:
    """Bytes with a unit: ``"1.3 GB"``."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def time_text(seconds: float) -> str:
    """A span of time in its two largest units: ``"2.4 s"``, ``"3 min 20 s"``, ``"5 h 2 min"``, ``"3 d 4 h"``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    for large, small, name, rest in ((86400, 3600, "d", "h"), (3600, 60, "h", "min"), (60, 1, "min", "s")):
        whole = round(seconds / small) * small
        if whole >= large:
            left = (whole % large) // small
            return f"{whole // large} {name}" + (f" {left} {rest}" if left else "")
    return f"{seconds:.0f} s"


def age_text(seconds: float) -> str:
    """How long ago, in one unit: ``"40 s"``, ``"3 min"``, ``"5 h"``, ``"12 d"``."""
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


def tolerance_text(key: str, lost: int, total: int) -> str:
    """The setting with which ``lost`` of ``total`` items are few enough: ``"sample.max_lost=0.34"``. Empty where nothing would be left."""
    return f"{key}={math.ceil(lost / total * 100) / 100}" if lost < total else ""


def line_text(text: str) -> str:
    """``text`` as one line that a terminal shows as it stands: control characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii", "replace") for c in text)
