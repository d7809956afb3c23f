"""Weights that are shipped: data beside the networks. README.md tells where they come from."""
