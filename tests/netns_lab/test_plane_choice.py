"""A control plane that there is not can't be chosen, and what the machine lacks is named."""

from pathlib import Path

import pytest

from netns_lab.control_plane.binaries import ALL
from netns_lab.orders import LabError
from netns_lab.plan import PlanError
from netns_lab.planes import EMBEDDED, IPTABLES, KUBE, NFTABLES, PlaneChoice, check_plane


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        pytest.param("k3s", "", "there are embedded, kube", id="no such plane"),
        pytest.param(KUBE, "ipvs", "there are nftables, iptables", id="no such mode"),
        pytest.param(EMBEDDED, IPTABLES, "has no kube-proxy", id="nobody to have the mode"),
        pytest.param(EMBEDDED, NFTABLES, "has no kube-proxy", id="not even the usual one"),
    ],
)
def test_a_choice_that_there_is_not_says_what_there_is(name: str, mode: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        PlaneChoice(name, mode)


def test_iptables_mode_without_its_programs_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for program in ALL:
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    check_plane(PlaneChoice(KUBE))
    with pytest.raises(LabError, match="apt-get install iptables"):
        check_plane(PlaneChoice(KUBE, IPTABLES))
