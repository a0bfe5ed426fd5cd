"""`herald lab`: a cluster's network in namespaces of this machine.

Thin: what the commands do is in `netns_lab.lab`, loaded when one of them runs.
"""

import subprocess
import sys
import time
from typing import Any

import click

from herald.lab_apply import apply
from herald.lab_options import NAME, running_lab, sentences
from herald.output import LOG_LEVELS, Failure, output_option, print_json, print_table
from netns_lab.plan import NODES_MAX
from netns_lab.program import program


@click.group(epilog="Example: herald lab up --nodes 3")
def lab() -> None:
    """Run a cluster's network in namespaces of this machine, to try and to test.

    Nodes with Herald's daemons, their Pods, a client on their LAN, a client behind an FRR router,
    and a control plane. Nothing of it touches this machine's own network.
    """


lab.add_command(apply)


@lab.command(epilog="Example: herald lab up --nodes 3")
@NAME
@click.option(
    "--nodes",
    type=click.IntRange(1, NODES_MAX),
    default=3,
    show_default=True,
    help="How many nodes.",
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
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    default="info",
    show_default=True,
    help="Of Herald's daemons.",
)
@output_option
def up(
    name: str, nodes: int, control_plane: str, proxy_mode: str | None, log_level: str, output: str
) -> None:
    """Build a lab and start everything in it; exit 1 when a daemon does not get ready."""
    from netns_lab.lab import Lab
    from netns_lab.plan import PlanError
    from netns_lab.planes import PlaneChoice

    try:
        plane = PlaneChoice(control_plane, proxy_mode or "")
    except PlanError as error:
        raise click.UsageError(str(error)) from error
    began = time.monotonic()
    with sentences():
        there = Lab.up(name, nodes, plane=plane, log_level=log_level, say=_step)
        seconds, answer = time.monotonic() - began, there.status()
    late = _late(answer)
    if output == "json":
        print_json(answer | {"seconds": round(seconds, 1)})
    elif not late:
        named = "" if name == "default" else f" --name {name}"
        click.echo(f"lab {name!r} with {nodes} nodes is up after {seconds:.1f} s")
        click.echo(f"next: {program()} lab apply{named} -f manifests/samples/first-pool.yaml")
    for process in late:
        words = process["last_line"] or "not ready"
        click.echo(f"  {process['process']}: {process['state']}: {words}", err=True)
    if late:
        names = ", ".join(process["process"] for process in late)
        raise Failure(
            f"lab {name!r} is there, but not all of it is ready after {seconds:.0f} s: {names}. "
            f"`{program()} lab logs --name {name} {late[0]['process']}` shows why, "
            f"`{program()} lab down --name {name}` takes it away"
        )


@lab.command(epilog="Example: herald lab down --all")
@NAME
@click.option("--all", "every", is_flag=True, help="Take down every lab of this machine.")
@output_option
def down(name: str, every: bool, output: str) -> None:
    """Take a lab down, running or crashed; nothing of it is left."""
    from netns_lab.lab import check_root
    from netns_lab.removal import existing_labs, take_down

    with sentences():
        check_root()
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
    with sentences():
        answer = running_lab(name).status()
    if output == "json":
        print_json(answer)
    else:
        _print_status(answer)
    sys.exit(1 if _late(answer) else 0)


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

    Output and exit status are the command's own.
    `vtysh` on the router talks to the lab's FRR, `kubectl` on control to the lab's API server.
    """
    argv = list(command[1:] if command[0] == "--" else command)
    if not argv:
        raise click.UsageError("say which command to run: herald lab exec client -- ip address")
    with sentences():
        there = running_lab(name)
        done = subprocess.run(there.command(host, argv), check=False)
    sys.exit(done.returncode)


@lab.command(epilog="Example: herald lab logs brain@node1")
@NAME
@click.argument("process", required=False)
def logs(name: str, process: str | None) -> None:
    """Show the log of a process as it is, or the names of all; works on a crashed lab too."""
    from netns_lab.state import StateFolder, labs

    folder = StateFolder.of(name)
    if not folder.path.exists():
        there = ", ".join(labs())
        hint = f"there are: {there}" if there else f"`{program()} lab up` makes one"
        raise Failure(f"no lab {name!r}: {hint}")
    with sentences():
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


def _late(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the processes that are not as they should be."""
    return [p for p in answer["processes"] if p["state"] != "running" or p["ready"] is False]


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
