#!/usr/bin/env bash
# pytest-xdist 3.8.0 does not group tests under pytest 9.2.0: with --dist=loadgroup, tests that share a mark xdist_group run on several workers,
# and nothing is said. A costly fixture of a module is then made once a worker. Under pytest 9.0.2 the same tests stay together.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > test_group.py <<'PYTHON'
import os
import time

import pytest

pytestmark = pytest.mark.xdist_group("one")


@pytest.mark.parametrize("n", range(8))
def test_where(n):
    time.sleep(0.3)
    with open(os.environ["SEEN"], "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\n")
PYTHON
declare -A workers
for version in 9.0.2 9.2.0; do
  python3 -m venv "venv$version"
  "venv$version/bin/pip" -q install "pytest==$version" pytest-xdist==3.8.0
  export SEEN="$folder/$version"
  "venv$version/bin/python" -m pytest -q -p no:cacheprovider --numprocesses=2 --dist=loadgroup test_group.py >/dev/null
  workers[$version]=$(sort -u "$SEEN" | wc -l)
  echo "pytest $version, pytest-xdist 3.8.0: eight tests of one group ran on ${workers[$version]} worker(s)"
done
if [ "${workers[9.0.2]}" = 1 ] && [ "${workers[9.2.0]}" = 2 ]; then echo "as described"; else echo CHANGED; exit 1; fi
