"""Stages that systems share, one folder each. A stage never imports another; ``media`` is their common library."""
