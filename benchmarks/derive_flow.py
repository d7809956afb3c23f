"""Cases of `derive.py`: optical flow."""

from __future__ import annotations

from derive import Case

CASES: dict[str, Case] = {}
