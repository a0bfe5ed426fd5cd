"""A lab from the outside, where it never came up."""

import subprocess

from netns_lab.lab import Lab
from netns_lab.plan import plan_lab


def test_a_supervisor_that_has_not_begun_ends_with_its_lab() -> None:
    # On a busy machine it may be loading its modules still: no journal names it yet.
    lab = Lab(plan_lab("unbegun", 1))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as supervisor:
        lab._supervisor = supervisor
        lab.down()

        assert supervisor.returncode is not None
