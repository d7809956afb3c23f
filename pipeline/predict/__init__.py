"""Files that are in no dataset, made ready and shown to a trained network: a library of ``kdpipe predict``."""
