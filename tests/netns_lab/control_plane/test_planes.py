"""Both planes say what to run and how to be reached; the real one proves who it is."""

import ssl
import stat
from pathlib import Path

import pytest
import yaml

from netns_lab.control_plane.binaries import ALL, Binaries
from netns_lab.control_plane.kube import KubePlane
from netns_lab.control_plane.pki import Authority
from netns_lab.control_plane.planes import ControlPlane, EmbeddedPlane, Place

PLACE = Place("172.30.4.2", 6444, 6443)


@pytest.fixture
def kube(tmp_path: Path) -> KubePlane:
    binaries = Binaries({name: Path("/opt") / name for name in ALL})
    plane = KubePlane(tmp_path / "plane", PLACE, binaries)
    plane.prepare()
    return plane


def _names(plane: ControlPlane) -> list[str]:
    return [program.name for program in plane.programs(Path("/run/faults.sock"))]


def test_the_embedded_plane_is_one_process_and_the_proxy(tmp_path: Path) -> None:
    plane = EmbeddedPlane(tmp_path, PLACE)
    plane.prepare()

    assert _names(plane) == ["control-plane", "fault-proxy"]
    assert plane.node_programs("node1", "192.168.4.101") == ()
    assert "http://172.30.4.2:6444" in plane.kubeconfig.read_text()


def test_the_real_plane_is_five_processes_and_a_proxy_on_each_node(kube: KubePlane) -> None:
    assert _names(kube) == [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "fault-proxy",
    ]
    (proxy,) = kube.node_programs("node1", "192.168.4.101")
    assert "--proxy-mode=nftables" in proxy.argv
    assert "--hostname-override=node1" in proxy.argv


def test_daemons_are_led_through_the_fault_proxy_with_a_token_that_is_read_anew(
    kube: KubePlane, tmp_path: Path
) -> None:
    kube.write_kubeconfig(tmp_path / "config", "herald-speaker", tmp_path / "token")
    config = yaml.safe_load((tmp_path / "config").read_text())

    assert config["clusters"][0]["cluster"]["server"] == "https://172.30.4.2:6443"
    assert config["users"][0]["user"] == {"tokenFile": str(tmp_path / "token")}


def test_keys_are_readable_by_their_owner_alone(kube: KubePlane) -> None:
    keys = list(kube.kubeconfig.parent.glob("pki/*.key"))

    assert len(keys) >= 5
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)


def test_certificates_of_the_authority_are_accepted_by_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server", "server", hosts=("127.0.0.1", "localhost"))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pair.certificate, pair.key)
    client = ssl.create_default_context(cafile=authority.certificate)

    assert _shake_hands(client, server, "127.0.0.1") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(client, server, "192.0.2.1")


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> str | None:
    """Let both sides talk in memory until each is content."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    open_ends = [near, far]
    while open_ends:
        end = open_ends.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            open_ends.append(end)
    return near.version()
