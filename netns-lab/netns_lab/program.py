"""How the command is called here: hints name it so that they can be copied as they stand."""

import os
import shutil
import sys
from pathlib import Path

PLUGIN = "kubectl-"


def program() -> str:
    """Return `herald` where that is what the shell would run, else the path it was called by."""
    called = Path(sys.argv[0])
    if called.name.startswith(PLUGIN):
        return f"kubectl {called.name.removeprefix(PLUGIN)}"
    if called.name != "herald":
        return "herald"
    found = shutil.which("herald")
    if found is not None and Path(found).resolve() == called.resolve():
        return "herald"
    relative = os.path.relpath(called)
    return str(called) if relative.startswith("..") else relative
