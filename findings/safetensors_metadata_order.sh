#!/usr/bin/env bash
# safetensors 0.8.0 does not write the same bytes for the same content: where a file has metadata of more than one key (a dict of
# strings, which Python keeps in order), the header lists the keys in an order that changes from one call to the next, in the same process too. So digests of
# weights that are equal differ. With one key of metadata, or none, the bytes are always the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install safetensors==0.8.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import hashlib

import numpy
import safetensors
from safetensors.numpy import load, save

tensors = {"weight": numpy.arange(6, dtype=numpy.float32).reshape(2, 3), "bias": numpy.zeros(2, numpy.float32)}
found = {}
for keys in ("", "a", "abcdef"):
    files = [save(tensors, metadata={key: "1" for key in keys} or None) for _ in range(20)]
    assert all((load(file)["weight"] == tensors["weight"]).all() for file in files)
    found[len(keys)] = len({hashlib.sha256(file).hexdigest() for file in files})
print(f"safetensors {safetensors.__version__}: keys of metadata -> different files of 20 with the same content: {found}")
print("as described" if found[0] == found[1] == 1 < found[6] else "CHANGED")
raise SystemExit(not found[0] == found[1] == 1 < found[6])
PYTHON
