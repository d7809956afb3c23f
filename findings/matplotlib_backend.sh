#!/usr/bin/env bash
# MPLBACKEND=module://matplotlib_inline.backend_inline, which Jupyter sets for every process that a notebook starts, makes
# `import matplotlib` itself fail in an environment that has no matplotlib-inline: a program that calls matplotlib.use("Agg") first
# never gets there. Seen with matplotlib 3.11.2: the value is checked while the package is imported. Way around it: import it with
# MPLBACKEND set to "agg".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet matplotlib==3.11.2
cat > "$folder/draw.py" <<'PY'
import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

pyplot.plot([1, 2])
pyplot.savefig("picture.png")
PY
cd "$folder"
"$folder/venv/bin/python" -c 'from importlib.metadata import version; print("matplotlib", version("matplotlib"))'
echo '$ MPLBACKEND=agg python draw.py'
MPLBACKEND=agg "$folder/venv/bin/python" draw.py
ls picture.png
echo '$ MPLBACKEND=module://matplotlib_inline.backend_inline python draw.py'
if MPLBACKEND=module://matplotlib_inline.backend_inline "$folder/venv/bin/python" draw.py > out.txt 2>&1; then
    echo "it draws now"
    exit 1
fi
grep -E '^  File .*draw.py|^    import matplotlib|^ValueError' out.txt
grep -q "line 1, in <module>" out.txt || { echo "it fails elsewhere now"; exit 1; }
