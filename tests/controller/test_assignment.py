"""Asking for an address by number: who gets it, who is refused and why."""

from typing import Any

import pytest

from controller.outcome import Reason
from tests.builders import namespace, pool, service
from tests.controller.cluster import Cluster
from tests.controller.steps import DUAL, V6, Step, play, svc

POOLS = (
    pool("test", "192.0.2.4/30"),
    pool("six", "fd00::4/126"),
    pool("edges", "198.51.100.0/24", avoidBuggyIPs=True),
    pool("both", "203.0.113.10-203.0.113.15", "fd00:1::10-fd00:1::15"),
    pool("team", "203.0.113.64/28", serviceAllocation={"namespaces": ["team"]}),
    pool(
        "labelled",
        "203.0.113.80/28",
        serviceAllocation={"serviceSelectors": [{"matchLabels": {"team": "red"}}]},
    ),
    pool(
        "fenced",
        "203.0.113.96/28",
        serviceAllocation={
            "namespaces": ["team"],
            "serviceSelectors": [{"matchLabels": {"team": "red"}}],
        },
    ),
)


def six(text: str, **wishes: Any) -> dict[str, Any]:
    return svc(text, ips="fd00::4", families=V6, **wishes)


STORIES = [
    pytest.param(
        [
            Step("a takes .4", "a", ("192.0.2.4",), svc("a", ips="192.0.2.4")),
            Step("asking again changes nothing", "a", ("192.0.2.4",), svc("a", ips="192.0.2.4")),
            Step("b can't have a's", "b", Reason.ADDRESS_TAKEN, svc("b", ips="192.0.2.4")),
            Step("b takes another", "b", ("192.0.2.6",), svc("b", ips="192.0.2.6")),
            Step("a moves to a third", "a", ("192.0.2.5",), svc("a", ips="192.0.2.5")),
            Step("b moves to what a left", "b", ("192.0.2.4",), svc("b", ips="192.0.2.4")),
            Step("b goes", "b", None),
            Step("a takes what b left", "a", ("192.0.2.4",), svc("a", ips="192.0.2.4")),
            Step("outside all pools", "c", Reason.ADDRESS_IN_NO_POOL, svc("c", ips="192.0.2.1")),
        ],
        id="one address is one Service's",
    ),
    pytest.param(
        [
            Step("a takes ::4", "a", ("fd00::4",), svc("a", ips="fd00::4", families=V6)),
            Step("asking again is idle", "a", ("fd00::4",), svc("a", ips="fd00::4", families=V6)),
            Step("b can't", "b", Reason.ADDRESS_TAKEN, svc("b", ips="fd00::4", families=V6)),
            Step("b takes ::6", "b", ("fd00::6",), svc("b", ips="fd00::6", families=V6)),
            Step("a moves to a third", "a", ("fd00::5",), svc("a", ips="fd00::5", families=V6)),
            Step("b moves to ::4", "b", ("fd00::4",), svc("b", ips="fd00::4", families=V6)),
            Step("b goes", "b", None),
            Step("a takes what b left", "a", ("fd00::4",), svc("a", ips="fd00::4", families=V6)),
            Step("written out", "a", ("fd00::4",), svc("a", ips="FD00:0:0::0:4", families=V6)),
            Step(
                "none in a pool",
                "c",
                Reason.ADDRESS_IN_NO_POOL,
                svc("c", ips="fd01::1", families=V6),
            ),
        ],
        id="IPv6 alike",
    ),
    pytest.param(
        [
            Step("first", "a", Reason.ADDRESS_AVOIDED, svc("a", ips="198.51.100.0")),
            Step("last", "b", Reason.ADDRESS_AVOIDED, svc("b", ips="198.51.100.255")),
            Step("between", "c", ("198.51.100.1",), svc("c", ips="198.51.100.1")),
            Step("the next last", "d", ("198.51.100.254",), svc("d", ips="198.51.100.254")),
        ],
        id="avoided addresses are refused even when asked for",
    ),
    pytest.param(
        [
            Step("a shares", "a", ("192.0.2.4",), svc("a", ips="192.0.2.4", key="k")),
            Step(
                "a alone takes another key", "a", ("192.0.2.4",), svc("a", ips="192.0.2.4", key="l")
            ),
            Step(
                "b has the old key",
                "b",
                Reason.SHARING_KEY_DIFFERS,
                svc("b", ips="192.0.2.4", key="k", ports=["TCP/81"]),
            ),
            Step(
                "b has no key",
                "b",
                Reason.ADDRESS_TAKEN,
                svc("b", ips="192.0.2.4", ports=["TCP/81"]),
            ),
            Step("same port", "b", Reason.PORTS_CLASH, svc("b", ips="192.0.2.4", key="l")),
            Step(
                "other protocol",
                "b",
                ("192.0.2.4",),
                svc("b", ips="192.0.2.4", key="l", ports=["UDP/80"]),
            ),
            Step(
                "b's port changes",
                "b",
                ("192.0.2.4",),
                svc("b", ips="192.0.2.4", key="l", ports=["TCP/443", "UDP/53"]),
            ),
            Step(
                "c with local endpoints",
                "c",
                Reason.BACKENDS_DIFFER,
                svc("c", ips="192.0.2.4", key="l", ports=["TCP/9"], local="c"),
            ),
        ],
        id="sharing by key, ports and backends",
    ),
    pytest.param(
        [
            Step("a local", "a", ("192.0.2.4",), svc("a", ips="192.0.2.4", key="k", local="x")),
            Step(
                "b the same backends",
                "b",
                ("192.0.2.4",),
                svc("b", ips="192.0.2.4", key="k", local="x", ports=["TCP/81"]),
            ),
            Step(
                "c others",
                "c",
                Reason.BACKENDS_DIFFER,
                svc("c", ips="192.0.2.4", key="k", local="y", ports=["TCP/82"]),
            ),
        ],
        id="local endpoints need the same selector",
    ),
    pytest.param(
        [
            Step("a", "a", ("fd00::4",), six("a", key="k")),
            Step("b has no key", "b", Reason.ADDRESS_TAKEN, six("b", ports=["TCP/81"])),
            Step("another", "b", Reason.SHARING_KEY_DIFFERS, six("b", key="l", ports=["TCP/81"])),
            Step("a's port", "b", Reason.PORTS_CLASH, six("b", key="k")),
            Step("shares", "b", ("fd00::4",), six("b", key="k", ports=["TCP/81"])),
            Step(
                "others behind it",
                "c",
                Reason.BACKENDS_DIFFER,
                six("c", key="k", ports=["TCP/82"], local="c"),
            ),
        ],
        id="IPv6 is shared alike",
    ),
    pytest.param(
        [
            Step("a", "a", ("192.0.2.4",), svc("a", ips="192.0.2.4", key="k")),
            Step("b", "b", ("192.0.2.4",), svc("b", ips="192.0.2.4", key="k", ports=["TCP/81"])),
            Step(
                "b can't have another key beside a",
                "b",
                Reason.SHARING_KEY_DIFFERS,
                svc("b", ips="192.0.2.4", key="l", ports=["TCP/81"]),
            ),
            Step("a goes", "a", None),
            Step(
                "alone it can",
                "b",
                ("192.0.2.4",),
                svc("b", ips="192.0.2.4", key="l", ports=["TCP/81"]),
            ),
            Step(
                "a comes too late for its key",
                "a",
                Reason.SHARING_KEY_DIFFERS,
                svc("a", ips="192.0.2.4", key="k"),
            ),
        ],
        id="a key is changed only by who is alone",
    ),
    pytest.param(
        [
            Step(
                "both of one pool",
                "a",
                ("203.0.113.10", "fd00:1::10"),
                svc("a", ips="fd00:1::10, 203.0.113.10", families=DUAL),
            ),
            Step(
                "one of them is taken",
                "b",
                Reason.ADDRESS_TAKEN,
                svc("b", ips="203.0.113.10, fd00:1::11", families=DUAL),
            ),
            Step(
                "of two pools",
                "b",
                Reason.ADDRESSES_IN_TWO_POOLS,
                svc("b", ips="203.0.113.11,fd00::5", families=DUAL),
            ),
            Step(
                "two of one family",
                "c",
                Reason.REQUEST_MALFORMED,
                svc("c", ips="203.0.113.11,203.0.113.12", families=DUAL),
            ),
        ],
        id="two families of one pool",
    ),
    pytest.param(
        [
            Step("stranger", "a", Reason.POOL_NOT_FOR_SERVICE, svc("a", ips="203.0.113.65")),
            Step("of the team", "team/a", ("203.0.113.65",), svc("a", ips="203.0.113.65")),
            Step("no label", "b", Reason.POOL_NOT_FOR_SERVICE, svc("b", ips="203.0.113.81")),
            Step(
                "label",
                "c",
                ("203.0.113.81",),
                svc("c", ips="203.0.113.81", labels={"team": "red"}),
            ),
            Step(
                "label, other namespace",
                "d",
                Reason.POOL_NOT_FOR_SERVICE,
                svc("d", ips="203.0.113.97", labels={"team": "red"}),
            ),
            Step(
                "namespace, no label",
                "team/e",
                Reason.POOL_NOT_FOR_SERVICE,
                svc("e", ips="203.0.113.97"),
            ),
            Step(
                "both",
                "team/f",
                ("203.0.113.97",),
                svc("f", ips="203.0.113.97", labels={"team": "red"}),
            ),
        ],
        id="fences of namespace, label and both",
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_asking_for_an_address(story: list[Step]) -> None:
    cluster = Cluster(*POOLS)
    cluster.namespaces["team"] = namespace("team")

    play(cluster, *story)


def test_sharer_that_changes_its_key_leaves_and_the_other_stays() -> None:
    cluster = Cluster(pool("test", "192.0.2.4/30"))
    play(
        cluster,
        Step("a", "a", ("192.0.2.4",), svc("a", key="k")),
        Step("b shares", "b", ("192.0.2.4",), svc("b", key="k", ports=["TCP/81"])),
        Step("a changes its key", "a", ("192.0.2.5",), svc("a", key="other")),
    )

    assert cluster.addresses("b") == ("192.0.2.4",)


def test_request_that_cannot_be_met_keeps_the_address_there_is() -> None:
    cluster = Cluster(pool("test", "192.0.2.4/30"))
    play(
        cluster,
        Step("a", "a", ("192.0.2.4",), svc("a")),
        Step("b", "b", ("192.0.2.5",), svc("b")),
        Step("b wants a's", "b", Reason.ADDRESS_TAKEN, svc("b", ips="192.0.2.4")),
    )
    assert cluster.addresses("b") == ("192.0.2.5",)

    cluster.delete("a").run()

    assert cluster.addresses("b") == ("192.0.2.4",)


def test_of_sharers_that_change_their_keys_at_once_the_older_keeps_the_address() -> None:
    cluster = Cluster(pool("test", "192.0.2.4/30"))
    older = service("older", created="1", **svc("older", key="k"))
    younger = service("younger", created="2", **svc("younger", key="k", ports=["TCP/81"]))
    cluster.put(older, younger).run()
    assert cluster.addresses("older") == cluster.addresses("younger") == ("192.0.2.4",)

    cluster.put(
        service("older", created="1", **svc("older", key="l")),
        service("younger", created="2", **svc("younger", key="m", ports=["TCP/81"])),
    ).run()

    assert cluster.addresses("older") == ("192.0.2.4",)
    assert cluster.addresses("younger") == ("192.0.2.5",)


def test_sharers_that_change_to_the_same_key_at_once_stay_together() -> None:
    cluster = Cluster(pool("test", "192.0.2.4/30"))
    for key in ("k", "l"):
        cluster.put(
            service("a", created="1", **svc("a", key=key)),
            service("b", created="2", **svc("b", key=key, ports=["TCP/81"])),
        ).run()
        assert cluster.addresses("a") == cluster.addresses("b") == ("192.0.2.4",)
