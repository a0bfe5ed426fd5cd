"""The lab itself: what it promises tests and users, without asking anything of Herald."""

import json
import os
import subprocess
import sys
import time

import pytest

from netns_lab import netns
from netns_lab.lab import Lab
from netns_lab.manifests import read_manifests
from netns_lab.orders import LabError
from netns_lab.removal import take_down
from netns_lab.state import StateFolder, start_of
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("embedded", "kube")
LAB_NODES = 2

SOON_S = 2.0
"For one answer, on a machine that does other things too."

ECHO = """
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  type: NodePort
  selector: {app: echo}
  ports:
    - {name: tcp, port: 7, protocol: TCP, nodePort: 30007}
    - {name: udp, port: 7, protocol: UDP, nodePort: 30007}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
        - name: echo
          image: echo
          ports: [{containerPort: 7, protocol: TCP}, {containerPort: 7, protocol: UDP}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, nodePort: 30080}]
"""

ASK_UDP = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
s.sendto(b"hello", (sys.argv[1], 30007))
print(s.recv(100).decode())
"""


@pytest.fixture(scope="module", autouse=True)
def _servers(lab: Lab) -> None:
    list(lab.apply(read_manifests(ECHO, "test")))
    until(lambda: len(lab.status()["pods"]) == 4, 60, "four Pods run")
    web = "http://192.168.4.101:30080"
    until(lambda: lab.fetch("client", web, timeout_s=SOON_S), 60, "the web server answers")


def test_client_meets_both_web_servers_by_a_node_port(lab: Lab) -> None:
    answers: set[str | None] = set()

    def both() -> bool:
        answers.add(lab.fetch("client", "http://192.168.4.102:30080"))
        return {"web1\n", "web2\n"} <= answers

    until(both, 20, "both ordinal names")
    # The fixture waited for the other node's proxy: this one's may have begun to serve later.
    assert answers - {None} == {"web1\n", "web2\n"}


def test_client_behind_the_router_gets_in(lab: Lab) -> None:
    web = "http://192.168.4.101:30080"
    assert until(lambda: lab.fetch("remote", web), 10, "an answer") in ("web1\n", "web2\n")


def test_udp_echo_answers_through_the_service_proxy(lab: Lab) -> None:
    def answer() -> str:
        return lab.exec("client", ["python3", "-c", ASK_UDP, "192.168.4.101"]).stdout

    assert until(answer, 20, "an echo") == "hello\n"


def test_router_runs_bgp_with_the_nodes_group(lab: Lab) -> None:
    def groups() -> str:
        return lab.vtysh("show bgp peer-group json")

    text = until(groups, 10, "bgpd answers")
    assert json.loads(text)["nodes"]["remoteAs"] == 64512


def test_dead_node_is_dark_and_comes_back(lab: Lab) -> None:
    stamps = lab.kill_node("node2")
    try:
        assert stamps["at_ns"] <= stamps["cut_ns"] <= stamps["killed_ns"] < time.monotonic_ns()
        assert lab.fetch("client", "http://192.168.4.102:30080", timeout_s=0.3) is None
        space = lab.plan.node("node2").host.namespace
        until(lambda: not netns.process_ids([space]), 5, "all its processes have ended")
    finally:
        lab.start_node("node2")
    web = "http://192.168.4.102:30080"
    until(lambda: lab.fetch("client", web, timeout_s=SOON_S), 20, "the node serves again")


def test_pulled_cable_leaves_the_other(lab: Lab) -> None:
    lab.pull_cable("node2", "lan0")
    try:
        assert lab.fetch("client", "http://192.168.4.102:30080", timeout_s=0.3) is None
        healthy = "http://172.30.4.102:10256/healthz"
        until(lambda: lab.fetch("control", healthy) is not None, 10, "the other cable works")
    finally:
        lab.plug_cable("node2", "lan0")
    web = "http://192.168.4.102:30080"
    until(lambda: lab.fetch("client", web, timeout_s=SOON_S), 20, "the cable works again")


def test_partition_keeps_two_sides_apart_until_it_heals(lab: Lab) -> None:
    web = "http://192.168.4.102:30080"
    lab.partition(["client"], ["node2"])
    try:
        assert lab.fetch("client", web, timeout_s=0.3) is None
        until(lambda: lab.fetch("remote", web), 10, "who is not parted gets an answer")
    finally:
        lab.heal()
    until(lambda: lab.fetch("client", web, timeout_s=SOON_S), 20, "healed")


def test_namespaces_have_no_route_to_the_machine(lab: Lab) -> None:
    for host in lab.plan.hosts:
        text = lab.exec(host.name, ["ip", "-o", "link"]).stdout
        names = {line.split(": ")[1].split("@")[0] for line in text.splitlines()}
        known = {"lo", "lan0", "mgmt0", "wan0", "cni0", "eth0", "lan", "mgmt"}
        strangers = {n for n in names - known if not n.startswith(("lan-", "mgmt-"))}
        # Tunnel devices that some kernels put into every namespace lead nowhere.
        assert all("link/ether" not in line for n in strangers for line in text if n in line)


def test_unknown_names_are_refused_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"no node 'node9'.*node1, node2"):
        lab.kill_node("node9")
    with pytest.raises(LabError, match=r"no process 'x'.*controller"):
        lab.signal("x", 15)


def test_second_lab_lives_beside_the_first_and_a_crash_leaves_nothing() -> None:
    name = f"crash{os.getpid()}"
    other = Lab.up(name, 1)
    namespaces = netns.existing(f"herald-{name}-")
    starts = {each: start_of(each) for each in netns.process_ids(namespaces)}
    journal = other.state.read_journal()
    assert journal is not None
    subprocess.run(["kill", "-9", str(journal.supervisor_id)], check=True)
    until(lambda: not journal.supervisor_lives, 10, "the supervisor is dead")
    with pytest.raises(LabError, match="has crashed"):
        Lab.of(name)
    assert take_down(name)
    assert netns.existing(f"herald-{name}-") == []
    assert not StateFolder.of(name).path.exists()

    def ended() -> bool:
        return all(start is None or start_of(each) != start for each, start in starts.items())

    until(ended, 10, "all its processes have ended")
    other.down()  # reaps the supervisor, which was this process's child


def test_tied_lab_goes_when_its_maker_is_killed() -> None:
    name = f"tied{os.getpid()}"
    script = (
        "from netns_lab.lab import Lab; "
        f"Lab.up('{name}', 1, tied=True); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"1\n"
        assert netns.existing(f"herald-{name}-")
        maker.kill()
    until(lambda: not StateFolder.of(name).path.exists(), 30, "the state folder is gone")
    assert netns.existing(f"herald-{name}-") == []
