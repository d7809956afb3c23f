"""Stages that systems share, one folder each. A stage never imports another."""
