"""Writes down every module that a process runs and every file that it opens.

Put this folder on PYTHONPATH, and the name of a file in KDPIPE_AUDIT. Python imports this module by itself when it starts, so
worker processes write too. One write a line, appended.
"""

import os
import sys

LOG = os.open(os.environ["KDPIPE_AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def note(event, arguments):
    if event == "exec" and getattr(arguments[0], "co_name", "") == "<module>":
        os.write(LOG, f"exec {arguments[0].co_filename}\n".encode())
    elif event == "open" and isinstance(arguments[0], str | bytes) and not (arguments[2] or 0) & os.O_PATH:  # which reads nothing
        os.write(LOG, f"open {os.path.abspath(os.fsdecode(arguments[0]))}\n".encode())  # noqa: PTH100 - pathlib may not be there yet


sys.addaudithook(note)
