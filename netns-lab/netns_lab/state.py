"""The state folder of a lab: what `down` needs to clean up, also after a crash.

`lab.json` is the journal: written before the first namespace is made, removed with the folder when
everything is gone. It names the supervisor by process id and start time, for ids are used again.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/run/herald-lab")


@dataclass(frozen=True, slots=True)
class Journal:
    """What is known of a lab that was begun."""

    name: str
    nodes: int
    control_plane: str
    supervisor_id: int
    supervisor_start: int
    "Clock ticks since boot at which the supervisor started, field 22 of /proc/PID/stat."

    @property
    def supervisor_lives(self) -> bool:
        """True while that very process runs."""
        return start_of(self.supervisor_id) == self.supervisor_start


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths of one lab."""

    path: Path

    @classmethod
    def of(cls, lab: str) -> "StateFolder":
        """Return the folder that the lab of this name uses."""
        return cls(ROOT / lab)

    @property
    def journal(self) -> Path:
        """Written first, removed last."""
        return self.path / "lab.json"

    @property
    def control_socket(self) -> Path:
        """Where the supervisor listens."""
        return self.path / "control.sock"

    @property
    def fault_socket(self) -> Path:
        """Where the fault proxy takes orders."""
        return self.path / "faults.sock"

    @property
    def plane(self) -> Path:
        """Keys, configuration and storage of the control plane."""
        return self.path / "plane"

    @property
    def admin_kubeconfig(self) -> Path:
        """Leads to the API server itself, past the fault proxy, with every right."""
        return self.plane / "admin.kubeconfig"

    @property
    def kubectl_options(self) -> tuple[str, ...]:
        """What kubectl needs: all labs have one address, and must not share what it remembers."""
        cache = self.path / "kubectl"
        return (f"--kubeconfig={self.admin_kubeconfig}", f"--cache-dir={cache}")

    def kubeconfig(self, account: str) -> Path:
        """Return the kubeconfig of a daemon's service account: through the fault proxy."""
        return self.path / "accounts" / f"{account}.kubeconfig"

    def token(self, account: str) -> Path:
        """Return the file with the account's token, where the control plane asks for one."""
        return self.path / "accounts" / f"{account}.token"

    def write_token(self, account: str, token: str) -> None:
        """Write a token in one step: daemons read the file at any moment."""
        part = self.token(account).with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(token)
        part.rename(self.token(account))

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.path / "logs"

    @property
    def frr(self) -> Path:
        """Configuration, pid files and sockets of the router's daemons."""
        return self.path / "frr"

    def node(self, node: str) -> Path:
        """Return the folder of a node: sockets and state of its speaker."""
        return self.path / "nodes" / node

    def log(self, process: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{process}.log"

    def write_journal(self, journal: Journal) -> None:
        """Write the journal in one step."""
        self.path.mkdir(parents=True, exist_ok=True)
        part = self.journal.with_suffix(".part")
        part.write_text(json.dumps({f: getattr(journal, f) for f in Journal.__slots__}))
        part.rename(self.journal)

    def read_journal(self) -> Journal | None:
        """Return the journal, or None when there is no readable one."""
        try:
            return Journal(**json.loads(self.journal.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def make(self) -> None:
        """Make the folder with its logs, though who removes another lab may take the root away."""
        while True:
            try:
                self.logs.mkdir(parents=True)
            except FileNotFoundError:
                continue
            return

    def remove(self) -> None:
        """Remove the folder, and the root when it was the last."""
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            ROOT.rmdir()
        except OSError:  # other labs are there, or it never was
            return


def labs() -> Iterator[str]:
    """Yield the names of labs that have a state folder."""
    if ROOT.is_dir():
        yield from sorted(entry.name for entry in ROOT.iterdir() if entry.is_dir())


def start_of(process_id: int) -> int | None:
    """Return when the process started in clock ticks since boot, or None when it is no more."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def own_start() -> int:
    """Return when this process started."""
    start = start_of(os.getpid())
    assert start is not None
    return start
