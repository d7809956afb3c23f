"""Serves one directory to several mounts, each a client of its own, until standard input ends.

python -m tests.shared.serve DIRECTORY MOUNT… '{"acreg": 3, "acdir": 30, "lose": 5, "locks": "local"}'
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from tests.shared.client import Client, FileLocks, Manners
from tests.shared.handles import Handles
from tests.shared.wire import Connection


def main(directory: str, *rest: str) -> None:
    *mounts, manners_text = rest
    manners = Manners(**json.loads(manners_text))
    os.umask(0)
    handles, locks = Handles(Path(directory)), FileLocks()
    connections = [Connection(Path(mount), flock=manners.locks != "local") for mount in mounts]
    for connection in connections:
        client = Client(handles, connection, manners, locks)
        threading.Thread(target=client.serve, daemon=True).start()
    sys.stdout.write("mounted\n")
    sys.stdout.flush()
    sys.stdin.read()
    for connection in connections:
        connection.unmount()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
