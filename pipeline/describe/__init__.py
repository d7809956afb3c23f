"""Frame features of the user's own videos, written as YouTube-8M is published: a library of ``kdpipe make-records``."""
