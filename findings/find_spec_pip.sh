#!/usr/bin/env bash
# On Python 3.11, asking whether pip is installed (importlib.util.find_spec("pip")) makes setuptools 84.2.1 unimportable in that process: the
# question alone switches off setuptools' own copy of distutils, and its import then stops with an AssertionError. PyTorch 2.15 imports setuptools
# when torch.compile first builds C++ for the CPU, so a check for pip anywhere before ends torch.compile. Asking importlib.metadata does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install setuptools==84.2.1
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

print("Python", sys.version.split()[0], "setuptools", version("setuptools"))
asked = {
    "nothing": "pass",
    "find_spec": "import importlib.util; assert importlib.util.find_spec('pip')",
    "metadata": "import importlib.metadata; assert importlib.metadata.version('pip')",
}
seen = {}
for name, question in asked.items():
    done = subprocess.run([sys.executable, "-c", f"{question}\nimport setuptools"], capture_output=True, text=True)
    seen[name] = "imported" if done.returncode == 0 else done.stderr.strip().splitlines()[-1].partition(":")[0]
    print(f"asked for pip by {name:9}: then setuptools is {seen[name]}")
as_described = seen == {"nothing": "imported", "find_spec": "AssertionError", "metadata": "imported"}
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PYTHON
