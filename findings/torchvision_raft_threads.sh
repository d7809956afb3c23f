#!/usr/bin/env bash
# RAFT of torchvision 0.29.2 must not be called by two threads at once, as other networks in evaluation mode may be: it keeps the correlations of
# the frames that it is given in itself (corr_block.corr_pyramid) between computing them and looking them up. The thread that comes first gets
# flow from the other's frames, of the right shape and finite, and nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install torch==2.15.0 torchvision==0.29.2
cat > two_threads.py <<'PYTHON'
import threading

import torch
import torchvision

torch.manual_seed(0)
torch.set_num_threads(1)
net = torchvision.models.optical_flow.raft_small(weights=None).eval()
pairs = [(torch.rand(1, 3, 128, 128) * 2 - 1, torch.rand(1, 3, 128, 128) * 2 - 1) for _ in range(2)]


@torch.inference_mode()
def flow(n):
    return net(*pairs[n], num_flow_updates=1)[-1]


alone, together = [flow(0), flow(1)], [None, None]
both_there = threading.Barrier(2)


def hold_up(*_):
    both_there.wait()


net.context_encoder.register_forward_pre_hook(hold_up)  # right after the correlations are computed: a thread may be held up anywhere


def work(n):
    together[n] = flow(n)


threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
same = [torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(alone, together)]
finite = all(torch.isfinite(b).all() for b in together)
print(f"torchvision {torchvision.__version__}: two threads, each with its own frames; as alone: {same.count(True)} of 2; all finite: {finite}")
print("as described" if same.count(True) == 1 and finite else "CHANGED")
raise SystemExit(same.count(True) != 1 or not finite)
PYTHON
venv/bin/python two_threads.py
