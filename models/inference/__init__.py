"""Frozen networks over many items: batches of one shape across items, several computed at once, results in order."""
