"""`herald` as a program beside a lab: what it refuses and tells, and what it says without root."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netns_lab.lab import Lab
from tests.lab.required import skip_without
from tests.lab.until import until

pytestmark = pytest.mark.netns

LAB_NODES = 1
HERALD = str(Path(sys.executable).with_name("herald"))
NOBODY = "65534"
AS_NOBODY = (
    *("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"),
    # The interpreter may lie where only its owner may look.
    *("--bounding-set", "-all,+dac_read_search", "--inh-caps", "-all,+dac_read_search"),
    *("--ambient-caps", "-all,+dac_read_search"),
)
BAD_CONTROLLER = ("env", "HERALD_LEASE_S=never")
"""The daemons of a lab have its maker's environment; this keeps a controller from starting."""
POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: %s, namespace: %s}
spec: {addresses: %s}
"""


def herald(
    *arguments: str, text: str = "", before: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*before, HERALD, *arguments],
        capture_output=True,
        text=True,
        input=text,
        timeout=240,
        check=False,
    )


def is_down(lab: Lab, process: str) -> bool:
    """Whether the lab knows that the process has ended: a signal only makes it do so."""
    return any(p["process"] == process and p["pid"] is None for p in lab.status()["processes"])


def test_an_object_that_is_refused_does_not_stop_the_others(lab: Lab) -> None:
    objects = (
        POOL % ("bad", "metallb-system", "12"),
        "apiVersion: metallb.io/v1beta1\nkind: Sevice\nmetadata: {name: x}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: nowhere}\n",
        POOL % ("good", "metallb-system", "[192.0.2.0/24]"),
    )
    where = ("--name", lab.plan.name, "-f", "-")
    done = herald("lab", "apply", *where, text="---\n".join(objects))

    assert done.returncode == 1
    assert "ipaddresspool/good created" in done.stdout
    assert "ipaddresspool/bad refused" in done.stderr
    assert "no kind Sevice in metallb.io/v1beta1" in done.stderr
    assert '"nowhere" not found' in done.stderr
    again = herald(
        "lab", "apply", *where, "-o", "json", text="---\n".join(objects[:1] + objects[3:])
    )
    assert [each["done"] for each in json.loads(again.stdout)] == ["refused", "unchanged"]


def test_an_object_of_ours_where_nobody_reads_it_is_warned_of(lab: Lab) -> None:
    text = POOL % ("lost", "default", "[192.0.2.0/24]")
    done = herald("lab", "apply", "--name", lab.plan.name, "-f", "-", text=text)

    assert done.returncode == 0
    assert "only those in metallb-system count" in done.stderr


def test_deleting_what_is_gone_says_so(lab: Lab) -> None:
    text = POOL % ("gone", "metallb-system", "[192.0.2.0/24]")
    where = ("--name", lab.plan.name, "-f", "-")
    herald("lab", "apply", *where, text=text)
    first, second = (herald("lab", "apply", *where, "--delete", text=text) for _ in range(2))

    assert first.stdout == "ipaddresspool/gone deleted\n"
    assert second.stdout == "ipaddresspool/gone not found\n"
    assert second.returncode == 0


@skip_without(os.geteuid() == 0, "only root can be somebody else")
@pytest.mark.parametrize(
    "arguments",
    [
        ("lab", "status", "--name", "LAB"),
        ("lab", "exec", "--name", "LAB", "client", "true"),
        ("lab", "apply", "--name", "LAB", "-f", "/dev/null"),
        ("lab", "down", "--name", "LAB"),
        ("lab", "up", "--name", "other"),
        ("status", "--lab", "LAB"),
        ("explain", "--lab", "LAB", "default/x"),
        ("why-moved", "--lab", "LAB", "192.168.4.10"),
        ("drill", "run", "l2-drain"),
    ],
)
def test_without_root_one_sentence_says_what_to_do(lab: Lab, arguments: tuple[str, ...]) -> None:
    done = herald(*(a.replace("LAB", lab.plan.name) for a in arguments), before=AS_NOBODY)

    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()[-1:]
    assert "as root" in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "path", [pytest.param(os.defpath, id="kubectl may be there"), pytest.param("", id="no kubectl")]
)
def test_a_lab_that_is_not_the_default_is_named(lab: Lab, tmp_path: Path, path: str) -> None:
    nowhere = ("/usr/bin/env", f"HOME={tmp_path}", f"PATH={path}")
    done = herald("status", before=(*nowhere, "KUBECONFIG="))

    if not Path("/run/herald-lab/default").exists():
        assert done.returncode == 1
        assert lab.plan.name in done.stderr
        assert "--lab" in done.stderr
    until(lambda: not herald("status", "--lab", lab.plan.name).returncode, 20, "all is fine")


def test_a_namespace_is_not_ignored_in_a_lab(lab: Lab) -> None:
    done = herald("status", "--lab", lab.plan.name, "--namespace", "foo")

    assert done.returncode == 2
    assert "--namespace is for clusters" in done.stderr


def test_a_lab_is_up_only_when_all_of_it_is(lab: Lab) -> None:
    lab.signal("brain@node1", 9, hold=True)
    until(lambda: is_down(lab, "brain@node1"), 10, "the brain has ended")
    done = herald("lab", "status", "--name", lab.plan.name)
    shown = herald("status", "--lab", lab.plan.name)
    lab.release("brain@node1")

    assert done.returncode == 1
    assert "node1: its brain does not answer" in shown.stdout
    assert f"lab status --name {lab.plan.name}" in shown.stdout
    until(lambda: not herald("lab", "status", "--name", lab.plan.name).returncode, 10, "all is up")


def test_a_lab_with_a_daemon_that_does_not_start_is_not_called_up() -> None:
    name = f"u{os.getpid()}"
    try:
        done = herald("lab", "up", "--name", name, "--nodes", "1", before=BAD_CONTROLLER)
    finally:
        herald("lab", "down", "--name", name)

    assert done.returncode == 1
    assert "is up" not in done.stdout
    assert "not all of it is ready" in done.stderr
    assert f"lab logs --name {name} controller" in done.stderr


def test_the_controller_that_is_gone_and_a_service_that_waits_are_told(lab: Lab) -> None:
    text = POOL % ("first", "metallb-system", "[192.168.4.10/32]") + (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
        "spec: {type: LoadBalancer, ports: [{port: 80}]}\n"
    )
    lab.signal("controller", 9, hold=True)
    herald("lab", "apply", "--name", lab.plan.name, "-f", "-", text=text)

    def told() -> bool:
        done = herald("status", "--lab", lab.plan.name)
        both = ("no controller is ready", "Service default/web has no address")
        return done.returncode == 1 and all(each in done.stdout for each in both)

    until(told, 10, "both are told")
    lab.release("controller")
    until(lambda: "has no address" not in herald("status", "--lab", lab.plan.name).stdout, 20, "it")


def test_what_a_lab_does_not_have_is_said(lab: Lab) -> None:
    no_log = herald("lab", "logs", "--name", lab.plan.name, "nobody")
    logs = herald("lab", "logs", "--name", lab.plan.name)

    assert no_log.returncode == 1
    assert "brain@node1" in no_log.stderr
    assert "brain@node1" in logs.stdout.splitlines()
