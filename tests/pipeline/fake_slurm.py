"""A Slurm of one machine without a queue, for tests: what submitit and users call, by the name under which this script was linked.

``FAKE_SLURM`` is a directory with what it knows: the scripts that were submitted, and a state for each task of an array.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ["FAKE_SLURM"])


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def task(job: str, number: str) -> None:
    """Start a task of an array and let it note how it ended."""
    told = {"SLURM_JOB_ID": f"{job}", "SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": number, "SLURM_JOB_NODELIST": "here"}
    told |= {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_NUM_NODES": "1"}
    state = HOME / f"{job}_{number}.state"
    state.write_text("RUNNING")
    script = (HOME / f"{job}.sh").read_text()
    output = re.search(r"^#SBATCH --output=(.*)$", script, re.M)
    log = output[1].replace("%A", job).replace("%a", number).strip("'") if output else str(HOME / "out")
    words = f"echo $$ > {HOME}/{job}_{number}.pid; bash {HOME}/{job}.sh && echo -n COMPLETED > {state} || echo -n FAILED > {state}"
    with Path(log).open("ab") as file:
        subprocess.Popen(["bash", "-c", words], env={**os.environ, **told}, stdout=file, stderr=file, start_new_session=True)


def sbatch(path: str) -> None:
    script = Path(path).read_text()
    job = str(100 + len(list(HOME.glob("*.sh"))))
    (HOME / f"{job}.sh").write_text(script)
    found = re.search(r"^#SBATCH --array=(\d+)-(\d+)", script, re.M)
    say(f"Submitted batch job {job}")
    for number in range(int(found[1]), int(found[2]) + 1) if found else [0]:
        task(job, str(number))


def srun(*words: str) -> None:
    rest = list(words)
    while rest and rest[0].startswith("--"):
        rest = rest[1 if rest[0] == "--unbuffered" else 2 :]
    os.execvp(rest[0], rest)


def squeue(*words: str) -> None:
    for path in sorted(HOME.glob("*.state")):
        say(f"{path.stem} {path.read_text()}")


def scancel(*words: str) -> None:
    with (HOME / "cancelled").open("a") as file:
        file.write(" ".join(words) + "\n")
    for path in HOME.glob(f"{words[0]}*.pid"):
        end(int(path.read_text()))


def end(pid: int) -> None:
    """End a process and its children."""
    for child in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split():
        end(int(child))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def scontrol(verb: str, job: str) -> None:
    with (HOME / "requeued").open("a") as file:
        file.write(job + "\n")
    task(*job.split("_"))


if __name__ == "__main__":
    globals()[Path(sys.argv[0]).name](*sys.argv[1:])
