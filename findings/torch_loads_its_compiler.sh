#!/usr/bin/env bash
# PyTorch 2.15.0 loads its compiler in programs that compile nothing. The first optimiser that is made, whatever it is, and
# torch.use_deterministic_algorithms(True) each import torch._dynamo, torch._inductor and triton: some 900 modules, about as long again as "import
# torch" took, in every process that trains. torch.set_deterministic_debug_mode("error") sets the same switch and loads none of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install torch==2.15.0 numpy==2.4.6
cat > loads.py <<'PYTHON'
import sys
import time

begun = time.perf_counter()
import torch

imported, modules = time.perf_counter() - begun, len(sys.modules)
begun = time.perf_counter()
exec(sys.argv[1])
took, more = time.perf_counter() - begun, len(sys.modules) - modules
compiler = [name for name in ("torch._dynamo", "torch._inductor", "triton") if name in sys.modules]
print(f"import torch {imported:.1f} s; then {sys.argv[1]}: {took:.1f} s, {more} modules more, of them {compiler}")
assert torch.are_deterministic_algorithms_enabled() == ("determin" in sys.argv[1])
raise SystemExit(not ((more > 500 and "torch._dynamo" in compiler) == (sys.argv[2] == "loads") and (more > 500 or not compiler)))
PYTHON
ok=0
venv/bin/python loads.py 'torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)' loads || ok=1
venv/bin/python loads.py 'torch.use_deterministic_algorithms(True)' loads || ok=1
venv/bin/python loads.py 'torch.set_deterministic_debug_mode("error")' 'loads nothing' || ok=1
[ "$ok" = 0 ] && echo "as described" || echo "CHANGED"
exit "$ok"
