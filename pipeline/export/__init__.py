"""A trained network as files that need no kdpipe: a library of ``kdpipe export``."""
