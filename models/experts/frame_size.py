"""Frames of a size that an expert cannot see."""

from __future__ import annotations

from cache.errors import ConfigError


class FrameSizeError(ConfigError):
    """Frames of this size are too small, or too narrow, for an expert under its settings: their videos are lost, others are not."""
