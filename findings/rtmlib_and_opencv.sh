#!/usr/bin/env bash
# rtmlib 0.0.16 requires opencv-python and opencv-contrib-python. Both write into the same folder cv2 as opencv-contrib-python-headless, and pip
# does not mind: three packages own cv2/__init__.py, the last one unpacked is what runs (here 5.1.0, not headless, while pip still lists the
# headless 5.0), and removing rtmlib's two leaves a cv2 without a single function that pip calls installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install opencv-contrib-python-headless==5.0.0.93
"$folder/venv/bin/pip" -q install rtmlib==0.0.16 opencv-python==5.0.0.93 opencv-contrib-python==5.1.0.95
ask() {
    "$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import distributions

import cv2

owners = [d.metadata["Name"] for d in distributions() if any(str(file) == "cv2/__init__.py" for file in d.files or ())]
listed = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"].startswith("opencv")}
headless = cv2.version.headless if hasattr(cv2, "version") else None
print(f"{len(owners)} owners of cv2/__init__.py; cv2 is {getattr(cv2, '__version__', 'empty')}, headless {headless}; pip lists", listed)
PYTHON
}
both=$(ask)
"$folder/venv/bin/pip" -q uninstall -y opencv-python opencv-contrib-python
left=$(ask)
echo "with rtmlib:           $both"
echo "its OpenCVs removed:   $left"
want_both="3 owners of cv2/__init__.py; cv2 is 5."
if [[ $both == "$want_both"* && $both == *"headless False"* && $left == "1 owners"*"cv2 is empty"*"headless': '5.0.0.93'"* ]]; then
    echo "as described"
else
    echo CHANGED
    exit 1
fi
