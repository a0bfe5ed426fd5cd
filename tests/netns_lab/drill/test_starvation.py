"""What waited for a processor, and what it is called."""

import os

import pytest

from netns_lab.drill.starvation import Starvation, name_of


@pytest.mark.parametrize(
    ("command_line", "name"),
    [
        ("/usr/lib/frr/bgpd\0-d\0", "bgpd"),
        ("/x/bin/python3.11\0/x/bin/herald-speaker\0wire\0--node-name\0", "herald-speaker wire"),
        ("/x/bin/python3.11\0-m\0netns_lab.supervisor\0--lab\0", "netns_lab.supervisor"),
        ("kube-proxy\0--etcd=http://x/y\0", "kube-proxy"),
        ("", ""),
    ],
)
def test_a_process_is_called_by_what_it_runs(command_line: str, name: str) -> None:
    assert name_of(command_line) == name


def test_each_process_that_is_there_is_looked_at_and_one_that_is_gone_is_no_fault() -> None:
    gone = 1 << 30
    starvation = Starvation([os.getpid(), gone])
    starvation.look()

    assert all(f"({os.getpid()})" in name for name in starvation.waits)
    assert all(waited_s >= 0 for waited_s in starvation.waits.values())
