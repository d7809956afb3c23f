#!/usr/bin/env bash
# PyTorch 2.15 fills random tensors in the order of memory. With one seed, torch.randn_like and dropout give other numbers, place by place, for a
# tensor in channels_last than for one of the same values and shape in the usual order. So a network that is only moved to channels_last to be
# faster trains with other masks and other noise, and its losses cannot be compared with those of the usual order. Drawing by shape and
# converting afterwards gives the same numbers in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install torch==2.15.0 numpy
venv/bin/python - <<'PYTHON'
import sys

import torch
from torch.nn import functional as F

usual = torch.ones(2, 3, 4, 4)
last = usual.to(memory_format=torch.channels_last)
assert torch.equal(usual, last)


def same(draw):
    found = []
    for tensor in (usual, last):
        torch.manual_seed(0)
        found.append(draw(tensor))
    return torch.equal(*found)


seen = {
    "randn_like": same(torch.randn_like),
    "dropout": same(lambda x: F.dropout(x, 0.5)),
    "randn by shape": same(lambda x: torch.randn(x.shape)),
}
print("torch", torch.__version__.split("+")[0])
for name, equal in seen.items():
    print(f"{name:14}: {'the same' if equal else 'other'} numbers in channels_last")
as_described = seen == {"randn_like": False, "dropout": False, "randn by shape": True}
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PYTHON
