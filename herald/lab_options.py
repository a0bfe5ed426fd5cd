"""What the commands of `herald lab` share: which lab, and how its refusals are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from herald.output import Failure

if TYPE_CHECKING:
    from netns_lab.lab import Lab


def _checked(_context: click.Context, _option: click.Parameter, name: str) -> str:
    from netns_lab.plan import PlanError, check_name

    try:
        check_name(name)
    except PlanError as error:
        raise click.BadParameter(str(error)) from error
    return name


NAME = click.option(
    "--name",
    default="default",
    show_default=True,
    callback=_checked,
    help="Which lab: several may be up at once.",
)


@contextmanager
def sentences() -> Iterator[None]:
    """Turn what a lab refuses, and files that can't be read, into one sentence and exit 1."""
    from netns_lab.manifests import ManifestError
    from netns_lab.orders import LabError
    from netns_lab.plan import PlanError

    try:
        yield
    except (LabError, PlanError, ManifestError) as error:
        raise Failure(str(error)) from error
    except PermissionError as error:
        raise Failure(f"{error.filename}: {error.strerror}: run it as root") from error


def running_lab(name: str) -> "Lab":
    """Return the lab of the name; everything that is done in one needs root."""
    from netns_lab.lab import Lab, check_root

    with sentences():
        found = Lab.of(name)
        check_root()
    return found
