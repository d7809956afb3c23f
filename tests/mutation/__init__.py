"""Mutation of the shipped source: what must change a key, and what must not."""
