#!/usr/bin/env bash
# OpenVINO 2026.4.1 called as a library tells a server of every conversion without having asked: openvino.convert_model makes a file with a new
# random name of this installation in the home (~/intel/openvino_ga_cid), counts its uses there, and sends several messages. Each is sent
# by a fork of the whole process, started from a thread (multiprocessing.Process), whatever else the process holds: a program with a network of
# some gigabytes and threads of its own is forked many times for one conversion. Nothing is printed. The question whether it may do so is
# asked by the command line tools only; a library call takes a missing answer for a yes. Without the package openvino_telemetry, which is
# installed along, it converts as well and does none of this.
# Nothing is sent here: the processes are counted in place of being started.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install openvino==2026.4.1 openvino-telemetry==2025.2.0 onnx==1.23.2
cat > convert.py <<'PYTHON'
import multiprocessing
import os
import pathlib
import sys
import threading
import time

from onnx import TensorProto, helper

if sys.argv[1] == "without":
    sys.modules["openvino_telemetry"] = None
started = []


class Counted:
    daemon = False

    def __init__(self, target=None, args=()):
        self.args = args

    def start(self):
        started.append((self.args[0].host, threading.current_thread() is threading.main_thread()))

    def join(self, timeout=None):
        pass

    def is_alive(self):
        return False


multiprocessing.Process = Counted
port = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", port[:1], port[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
pathlib.Path("relu.onnx").write_bytes(model.SerializeToString())

import openvino

converted = openvino.convert_model("relu.onnx")
time.sleep(2)
left = sorted(path.name for path in pathlib.Path(os.environ["HOME"]).rglob("*") if path.is_file())
hosts, in_threads = sorted({host for host, _ in started}), sum(not main for _, main in started)
print(f"{openvino.__version__}, {sys.argv[1]} its telemetry: {len(converted.get_ops())} operations; in the home {left}")
print(f"  {len(started)} processes for messages to {hosts}, {in_threads} of them started from a thread")
told = len(started) >= 2 and in_threads == len(started) and "openvino_ga_cid" in left
raise SystemExit(0 if told == (sys.argv[1] == "with") and (told or not (started or left)) else 1)
PYTHON
ok=0
for way in with without; do
  mkdir "$way"
  env -u CI -u TF_BUILD -u JENKINS_URL -u GITHUB_ACTIONS HOME="$folder/$way" venv/bin/python convert.py "$way" || ok=1
done
[ "$ok" = 0 ] && echo "as described" || echo "CHANGED"
exit "$ok"
