"""Frozen feature extractors: one architecture family per file, one registry, weights as data."""
