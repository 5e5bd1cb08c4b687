"""A cloud in a folder, behind a program that is called as gcloud is.

``calls.jsonl`` gets the arguments of each call; ``home`` is the machine's home folder, that of
NAME-1 is ``home-1``; ``there`` exists as long as the machines do and holds their states.
``strangers`` holds the same for machines without jagree's label. ``plan.json`` says what goes
wrong: for each kind of call (create, delete, list, job, other ssh) a list with an entry for each
call, true if all is well; what is done beyond the list is well.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CLOUD = Path(os.environ["FAKE_CLOUD"])
ARGUMENTS = sys.argv[1:]
PLAN = CLOUD / "plan.json"
THERE = CLOUD / "there"
STRANGERS = CLOUD / "strangers"


def planned(kind: str) -> bool | str:
    plan = json.loads(PLAN.read_text())
    entry = plan.get(kind, []).pop(0) if plan.get(kind) else True
    PLAN.write_text(json.dumps(plan))
    return entry


def names() -> list[str]:
    """Machines with GPUs that a command names."""
    end = ARGUMENTS.index("instances") + 2
    return [a for a in ARGUMENTS[end:] if not a.startswith("--")]


def create() -> int:
    fault = planned("create")
    if fault is not True:
        sys.stderr.write(f"ERROR: (gcloud)\n{fault}\n")
        return 1
    if STRANGERS.exists() or "--labels=jagree=yes" not in ARGUMENTS:
        sys.stderr.write("ERROR: (gcloud)\nit already exists\n")
        return 1
    gpu = "instances" in ARGUMENTS
    THERE.write_text("\n".join(f"{n}\tRUNNING" for n in names()) if gpu else "ACTIVE")
    return 0


def show() -> int:
    fault = planned("list")
    if fault is not True:
        sys.stderr.write(f"{fault}\n")
        return 1
    labelled = any(a.startswith("--filter=") and "labels.jagree=yes" in a for a in ARGUMENTS)
    for machines in (THERE,) if labelled else (THERE, STRANGERS):
        if machines.exists():
            print(machines.read_text())
    return 0


def delete() -> int:
    if planned("delete") is not True:
        return 1
    THERE.unlink(missing_ok=True)
    STRANGERS.unlink(missing_ok=True)
    return 0


def home() -> Path:
    """Home folder of the machine that a command names."""
    place = next((a for a in ARGUMENTS if a.startswith("net-")), "").partition(":")[0][4:]
    folder = CLOUD / ("home" if place in ("", "0") else f"home-{place}")
    if not folder.exists():
        shutil.copytree(CLOUD / "home" / ".local", folder / ".local")
    return folder


def ssh() -> int:
    line = next(a for a in ARGUMENTS if a.startswith("--command=")).removeprefix("--command=")
    job = "launch/job.sh ../job" in line
    fault = planned("job" if job else "ssh")
    if isinstance(fault, str) and fault.startswith("state "):  # the machine is taken away
        THERE.write_text(fault.removeprefix("state "))
        return 255
    if isinstance(fault, str) and fault.startswith("killed "):  # the command a moment before
        THERE.write_text(fault.removeprefix("killed "))
        return 143
    if fault is not True and not job:
        return 1
    environment = {**os.environ, "HOME": str(home())}
    # As gcloud and ssh do: parted at each space, joined by spaces, read by a shell.
    began = subprocess.Popen(["bash", "-c", " ".join(line.split(" "))], cwd=home(), env=environment)
    if fault is not True:  # the connection breaks while the job runs
        try:
            began.wait(1.5)
        except subprocess.TimeoutExpired:
            began.kill()
        return 1
    return began.wait()


def scp() -> int:
    source, target = (a for a in ARGUMENTS[ARGUMENTS.index("scp") + 1 :] if a[:2] != "--")
    Path(home(), target.split(":")[1]).write_bytes(Path(source).read_bytes())
    return 0


with (CLOUD / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(ARGUMENTS) + "\n")
for action in (create, delete, ssh, scp):
    if action.__name__ in ARGUMENTS:
        sys.exit(action())
sys.exit(show())
