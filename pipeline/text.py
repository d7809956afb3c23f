"""Numbers as people read them."""

from __future__ import annotations


def size_text(size: float) -> str:
    """Bytes with a unit: ``"1.3 GB"``."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
