"""Labs for tests: one a module, skipped with its reason where none can be had.

With HERALD_REQUIRE_LAB=1 a lab that can't be had is a failure: a check that was skipped in silence
is worth nothing. HERALD_REQUIRE_KUBE=1 does the same for the real control plane.
"""

import os
import shutil
from collections.abc import Iterator

import pytest

from netns_lab import frr
from netns_lab.lab import Lab
from netns_lab.orders import LabError
from netns_lab.planes import EMBEDDED, PlaneChoice, check_plane
from tests.lab.required import required

TEST_LIMIT_S = 600
"""On a busy machine a real control plane, which a module's first test waits for, takes a minute."""
TOOLS = ("ip", "nft", "conntrack", "curl", "vtysh", "arping")


def why_no_lab() -> str:
    """Return why this machine can't run a lab, empty when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root: run the tests with sudo"
    if lacking := frr.missing():
        return f"FRR's {', '.join(lacking)} missing: sudo make system"
    tools = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"{', '.join(tools)} missing: sudo make system" if tools else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a lab where there can be none; give the others the time to bring one up."""
    skipped = "" if required() else why_no_lab()
    for item in items:
        if not item.get_closest_marker("netns"):
            continue
        if skipped:
            item.add_marker(pytest.mark.skip(reason=skipped))
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_LIMIT_S))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module's tests on each control plane that its `CONTROL_PLANES` names."""
    if "lab" in metafunc.fixturenames:
        planes = getattr(metafunc.module, "CONTROL_PLANES", (EMBEDDED,))
        metafunc.parametrize("lab", planes, indirect=True, scope="module")


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab for the module; `LAB_NODES = 2` in the module chooses its size, 3 by default.

    `PROXY_MODE` does the same for the real kube-proxies.

    Labs of several test runs may be up at once: the process id is in the name.
    """
    plane = PlaneChoice(request.param, getattr(request.module, "PROXY_MODE", ""))
    try:
        check_plane(plane)
    except LabError as error:
        if os.environ.get("HERALD_REQUIRE_KUBE") == "1":
            raise
        pytest.skip(str(error))
    nodes = getattr(request.module, "LAB_NODES", 3)
    there = Lab.up(f"t{os.getpid()}", nodes, plane=plane, tied=True)
    try:
        yield there
    finally:
        there.down()
