"""`herald lab apply`: the objects of a file into a lab's API, as `kubectl apply` would."""

import sys
from dataclasses import asdict

import click

from herald.lab_options import NAME, running_lab, sentences
from herald.output import NOT_FINE, output_option, print_json


@click.command(epilog="Example: herald lab apply -f manifests/samples/first-pool.yaml")
@NAME
@click.option(
    "-f", "--file", "path", required=True, help="YAML file or folder; - is standard input."
)
@click.option("--delete", "remove", is_flag=True, help="Delete the objects instead.")
@output_option
def apply(name: str, path: str, remove: bool, output: str) -> None:
    """Create or change the objects of a file, as kubectl apply does.

    An object that is refused does not stop the others; exit 1 when one was.
    """
    from netns_lab.applying import apply_each, delete_each
    from netns_lab.manifests import read_file, read_manifests

    there = running_lab(name)
    with sentences():
        found = read_manifests(sys.stdin.buffer.read(), "-") if path == "-" else read_file(path)
        done = []
        for each in delete_each(there, found) if remove else apply_each(there, found):
            done.append(each)
            if output == "json":
                continue
            click.echo(f"{each.object} {each.done}", err=each.refused)
            if each.message:
                mark = "  " if each.refused else "Warning: "
                click.echo(f"{mark}{each.message}", err=True)
    if output == "json":
        print_json([asdict(each) for each in done])
    sys.exit(NOT_FINE if any(each.refused for each in done) else 0)
