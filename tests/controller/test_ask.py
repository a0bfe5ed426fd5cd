"""What a Service asks for, however it is written."""

import pytest

from controller.ask import Ask, parse_ask
from controller.outcome import Pending, Reason
from kube.objects import IPFamilyPolicy
from tests.builders import service
from tests.controller.cluster import addresses
from tests.controller.steps import DUAL, svc


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        pytest.param("192.0.2.1", ["192.0.2.1"], id="one"),
        pytest.param("  192.0.2.1  ", ["192.0.2.1"], id="spaces around"),
        pytest.param("", [], id="empty is no wish"),
        pytest.param("::ffff:192.0.2.1", ["192.0.2.1"], id="IPv4 written as IPv6"),
        pytest.param("192.0.2.1,", None, id="empty entry"),
        pytest.param(",", None, id="only empty entries"),
        pytest.param(" ", None, id="a space"),
        pytest.param("192.0.2.1,192.0.2.1", None, id="the same twice"),
        pytest.param("192.0.2.1;192.0.2.2", None, id="another separator"),
        pytest.param("web.example", None, id="host name"),
        pytest.param("192.0.2.0/24", None, id="prefix"),
        pytest.param("192.0.2.01", None, id="leading zero"),
        pytest.param("fe80::1%eth0", None, id="scope"),
        pytest.param("192.0.2.256", None, id="octet too large"),
        pytest.param("1" * 5000, None, id="very long"),
    ],
)
def test_requested_addresses(text: str, wants: list[str] | None) -> None:
    ask = parse_ask(service("a", **svc("a", ips=text)))

    if wants is None:
        assert isinstance(ask, Pending)
        assert ask.reason is Reason.REQUEST_MALFORMED
    else:
        assert isinstance(ask, Ask)
        assert ask.addresses == addresses(*wants)


def test_both_families_in_any_order_are_written_ipv4_first() -> None:
    ask = parse_ask(service("a", **svc("a", ips="fd00::1 , 192.0.2.1", families=DUAL)))

    assert isinstance(ask, Ask)
    assert ask.addresses == addresses("192.0.2.1", "fd00::1")


def test_newer_prefix_wins_even_if_empty() -> None:
    old = {"metallb.universe.tf/address-pool": "old", "metallb.io/address-pool": ""}
    ask = parse_ask(service("a", **svc("a", annotations=old)))

    assert isinstance(ask, Ask)
    assert ask.pool == ""


def test_malformed_annotation_says_where_it_is() -> None:
    ask = parse_ask(service("a", **svc("a", ips="x")))

    assert isinstance(ask, Pending)
    assert ask.object == "Service default/a"
    assert ask.field == "metadata.annotations[metallb.io/loadBalancerIPs]"
    assert '"x"' in ask.sentence


@pytest.mark.parametrize(
    ("policy", "first", "families"),
    [
        pytest.param("SingleStack", "IPv4", ((4, 6),), id="two cluster IPs, both or none"),
        pytest.param("RequireDualStack", "IPv4", ((4, 6),), id="required"),
        pytest.param("PreferDualStack", "IPv4", ((4, 6), (4,), (6,)), id="preferred, IPv4 first"),
        pytest.param("PreferDualStack", "IPv6", ((4, 6), (6,), (4,)), id="preferred, IPv6 first"),
    ],
)
def test_families_of_two_cluster_ips(
    policy: str, first: str, families: tuple[tuple[int, ...], ...]
) -> None:
    ask = parse_ask(
        service(
            "a",
            cluster_ips=DUAL,
            ip_family_policy=IPFamilyPolicy(policy),
            ip_families=(first, "IPv6" if first == "IPv4" else "IPv4"),
        )
    )

    assert isinstance(ask, Ask)
    assert ask.families == families
