"""The published systems, one folder each. A system never imports another."""
