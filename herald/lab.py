"""`herald lab`: a cluster's network in namespaces of this machine.

Thin: what the commands do is in `netns_lab.lab`, loaded when one of them runs.
"""

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from herald.output import Failure, output_option, print_json, print_table

if TYPE_CHECKING:
    from netns_lab.lab import Lab

NAME = click.option(
    "--name", default="default", show_default=True, help="Which lab: several may be up at once."
)


@click.group(epilog="Example: herald lab up --nodes 3")
def lab() -> None:
    """Run a cluster's network in namespaces of this machine, to try and to test.

    Nodes with Herald's daemons, their Pods, a client on their LAN, a client behind an FRR router,
    and a control plane. Nothing of it touches this machine's own network.
    """


@lab.command(epilog="Example: herald lab up --nodes 3")
@NAME
@click.option(
    "--nodes", type=click.IntRange(1, 100), default=3, show_default=True, help="How many nodes."
)
@click.option(
    "--control-plane",
    type=click.Choice(["embedded", "kube"]),
    default="embedded",
    show_default=True,
    help="The lab's own API server, or the real Kubernetes (make kube).",
)
@click.option(
    "--proxy-mode",
    type=click.Choice(["nftables", "iptables"]),
    help="Of the real Kubernetes' kube-proxies; nftables unless said otherwise.",
)
@click.option("--log-level", default="info", show_default=True, help="Of Herald's daemons.")
@output_option
def up(
    name: str, nodes: int, control_plane: str, proxy_mode: str | None, log_level: str, output: str
) -> None:
    """Build a lab and start everything in it; exit 1 when a daemon does not get ready."""
    from netns_lab.lab import Lab
    from netns_lab.orders import LabError
    from netns_lab.plan import PlanError
    from netns_lab.planes import PlaneChoice

    try:
        plane = PlaneChoice(control_plane, proxy_mode or "")
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    began = time.monotonic()
    try:
        there = Lab.up(name, nodes, plane=plane, log_level=log_level, say=_step)
    except (LabError, PlanError) as error:
        raise Failure(str(error)) from error
    seconds, answer = time.monotonic() - began, there.status()
    late = [p for p in answer["processes"] if p["state"] != "running" or p["ready"] is False]
    if output == "json":
        print_json(answer | {"seconds": round(seconds, 1)})
    else:
        click.echo(f"lab {name!r} with {nodes} nodes is up after {seconds:.1f} s")
        click.echo("next: herald lab apply -f manifests/samples/first-pool.yaml")
    for process in late:
        words = process["last_line"] or "not ready"
        click.echo(f"  {process['process']}: {process['state']}: {words}", err=True)
    sys.exit(1 if late else 0)


@lab.command(epilog="Example: herald lab down --all")
@NAME
@click.option("--all", "every", is_flag=True, help="Take down every lab of this machine.")
@output_option
def down(name: str, every: bool, output: str) -> None:
    """Take a lab down, running or crashed; nothing of it is left."""
    from netns_lab.removal import existing_labs, take_down

    _root()
    names = existing_labs() if every else [name]
    done = {each: take_down(each) for each in names}
    if output == "json":
        print_json(done)
        return
    for each, was_there in done.items():
        click.echo(f"lab {each!r} is down" if was_there else f"there was no lab {each!r}")
    if not names:
        click.echo("there was no lab")


@lab.command(epilog="Example: herald lab status -o json")
@NAME
@output_option
def status(name: str, output: str) -> None:
    """Show nodes, processes and Pods of a lab; exit 1 when a process is not as it should be."""
    answer = _lab(name).status()
    if output == "json":
        print_json(answer)
    else:
        _print_status(answer)
    bad = [p for p in answer["processes"] if p["state"] != "running" or p["ready"] is False]
    sys.exit(1 if bad else 0)


@lab.command(epilog="Example: herald lab apply -f manifests/samples/first-pool.yaml")
@NAME
@click.option(
    "-f", "--file", "path", required=True, help="YAML file or folder; - is standard input."
)
@click.option("--delete", "remove", is_flag=True, help="Delete the objects instead.")
@output_option
def apply(name: str, path: str, remove: bool, output: str) -> None:
    """Create or change the objects of a file, as kubectl apply does."""
    from netns_lab.manifests import ManifestError, read_file, read_manifests
    from netns_lab.orders import LabError

    _root()
    there = _lab(name)
    try:
        found = read_manifests(sys.stdin.read(), "-") if path == "-" else read_file(path)
        done = []
        for sentence in there.delete(found) if remove else there.apply(found):
            done.append(dict(zip(("object", "done"), sentence.rsplit(" ", 1), strict=True)))
            if output == "table":
                click.echo(sentence)
        if output == "json":
            print_json(done)
    except (LabError, ManifestError) as error:
        raise Failure(str(error)) from error


@lab.command(
    "exec",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Example: herald lab exec client -- curl -s http://192.168.4.10:8090",
)
@NAME
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(name: str, host: str, command: tuple[str, ...]) -> None:
    """Run a command on a host of the lab: node1, client, remote, router, watcher, control.

    `vtysh` on the router talks to the lab's FRR, `kubectl` on control to the lab's API server.
    """
    from netns_lab.orders import LabError
    from netns_lab.plan import PlanError

    _root()
    there = _lab(name)
    argv = list(command[1:] if command[0] == "--" else command)
    if not argv:
        raise click.UsageError("say which command to run: herald lab exec client -- ip address")
    try:
        sys.exit(subprocess.run(there.command(host, argv), check=False).returncode)
    except (LabError, PlanError) as error:
        raise Failure(str(error)) from error


@lab.command(epilog="Example: herald lab logs brain@node1")
@NAME
@click.argument("process", required=False)
def logs(name: str, process: str | None) -> None:
    """Show the log of a process, or the names of all logs; works on a crashed lab too."""
    from netns_lab.state import StateFolder

    folder = StateFolder.of(name)
    names = sorted(file.stem for file in folder.logs.glob("*.log"))
    if process is None:
        click.echo("\n".join(names))
    elif process in names:
        click.echo(folder.log(process).read_text(errors="replace"), nl=False)
    else:
        raise Failure(
            f"lab {name!r} has no log of {process!r}; it has: {', '.join(names) or 'none'}"
        )


@lab.command(epilog="Example: herald lab demo")
@click.option(
    "--nodes", type=click.IntRange(2, 20), default=3, show_default=True, help="How many nodes."
)
def demo(nodes: int) -> None:
    """Show the main job step by step, in a lab of its own, in about a minute."""
    from netns_lab.demo import run_demo

    sys.exit(run_demo(nodes))


def _root() -> None:
    from netns_lab.lab import check_root
    from netns_lab.orders import LabError

    try:
        check_root()
    except LabError as error:
        raise Failure(str(error)) from error


def _lab(name: str) -> "Lab":
    from netns_lab.lab import Lab
    from netns_lab.orders import LabError

    try:
        return Lab.of(name)
    except LabError as error:
        raise Failure(str(error)) from error


def _step(text: str) -> None:
    click.echo(f"  {text}", err=True)


def _print_status(answer: dict[str, Any]) -> None:
    nodes = [(n["node"], n["lan"], "dead" if n["dead"] else "alive") for n in answer["nodes"]]
    print_table(f"lab {answer['lab']}: nodes", ("node", "LAN address", "power"), nodes)
    processes = [
        (p["process"], p["state"], _yes(p["ready"]), p["pid"], p["starts"], p["last_line"][:80])
        for p in answer["processes"]
    ]
    columns = ("process", "state", "ready", "pid", "starts", "last words")
    print_table("processes", columns, processes)
    pods = [
        (p["pod"], p["name"], p["node"], p["addresses"][0], _yes(p["ready"]))
        for p in answer["pods"]
    ]
    print_table("Pods", ("Pod", "answers as", "node", "address", "ready"), pods)


def _yes(value: bool | None) -> str:
    return {None: "", True: "yes", False: "no"}[value]
