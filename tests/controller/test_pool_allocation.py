"""Addresses from a named pool and automatic ones: until nothing is left, and then again."""

from collections.abc import Sequence
from typing import Any

import pytest

from controller.outcome import Reason
from tests.builders import pool
from tests.controller.cluster import Cluster
from tests.controller.steps import DUAL, V4, V6, Step, play, svc

SMALL = pool("small", "192.0.2.4/31", "192.0.2.8/31", "fd00::4/127", "fd00::8/127")
OTHER = pool("other", "198.51.100.4/30", "fd00:1::4/126", autoAssign=False)
FOUR = [("192.0.2.4",), ("192.0.2.5",), ("192.0.2.8",), ("192.0.2.9",)]
SIX = [("fd00::4",), ("fd00::5",), ("fd00::8",), ("fd00::9",)]


Given = Sequence[tuple[str, ...]]


def fill(families: tuple[str, ...], given: Given, **wishes: str) -> list[Step]:
    return [
        Step(f"number {i} fits", f"s{i}", wants, svc(f"s{i}", families=families, **wishes))
        for i, wants in enumerate(given)
    ]


def until_full(families: tuple[str, ...], given: Given, **wishes: str) -> list[Step]:
    def asks(text: str) -> dict[str, Any]:
        return svc(text, families=families, **wishes)

    return [
        *fill(families, given, **wishes),
        Step("asking again changes nothing", "s0", given[0], asks("s0")),
        Step("a fifth finds nothing", "s4", Reason.POOL_FULL, asks("s4")),
        Step("a sixth neither", "s5", Reason.POOL_FULL, asks("s5")),
        Step("one goes", "s1", None),
        Step("who waited longest has its place", "s4", given[1], asks("s4")),
        Step("the other one waits on", "s5", Reason.POOL_FULL, asks("s5")),
        Step("one more goes", "s3", None),
        Step("the other one has its place", "s5", given[3], asks("s5")),
        Step("who went comes too late", "s3", Reason.POOL_FULL, asks("s3")),
        Step("the fifth goes", "s4", None),
        Step("then it is in time", "s3", given[1], asks("s3")),
    ]


def shared(families: tuple[str, ...], given: Given, **wishes: str) -> list[Step]:
    def asks(text: str, port: str = "TCP/80", **more: str) -> dict[str, Any]:
        return svc(text, families=families, ports=[port], **more, **wishes)

    return [
        *fill(families, given[:3], **wishes),
        Step("the last one is shared", "s3", given[3], asks("s3", key="k")),
        Step("another port fits", "s4", given[3], asks("s4", "TCP/81", key="k")),
        Step("another key does not", "s5", Reason.POOL_FULL, asks("s5", "TCP/82", key="l")),
        Step("nor none", "s6", Reason.POOL_FULL, asks("s6", "TCP/83")),
        Step("nor the same port", "s7", Reason.POOL_FULL, asks("s7", key="k")),
        Step("another protocol fits", "s8", given[3], asks("s8", "UDP/80", key="k")),
        Step("who had the port goes", "s3", None),
        Step("the port is had again", "s7", given[3], asks("s7", key="k")),
        Step("it asks for one that is used", "s7", Reason.POOL_FULL, asks("s7", "TCP/81", key="k")),
        Step("and for its own again", "s7", given[3], asks("s7", key="k")),
        Step("one of its own goes", "s0", None),
        Step("who shares with nobody has that", "s6", Reason.POOL_FULL, asks("s6", "TCP/83")),
        Step("since the older one had it", "s5", given[0], asks("s5", "TCP/82", key="l")),
    ]


BOTH = [(*four, *six) for four, six in zip(FOUR, SIX, strict=True)]
KINDS: list[tuple[str, tuple[str, ...], Given]] = [
    ("IPv4", V4, FOUR),
    ("IPv6", V6, SIX),
    ("both families", DUAL, BOTH),
]
WAYS: list[tuple[str, dict[str, str]]] = [("named pool", {"pool": "small"}), ("automatic", {})]

FILLED = [
    pytest.param(until_full(families, given, **wishes), id=f"{way}: {kind} until it is full")
    for way, wishes in WAYS
    for kind, families, given in KINDS
]
SHARED = [
    pytest.param(shared(families, given, **wishes), id=f"{way}: {kind}, sharing makes room")
    for way, wishes in WAYS
    for kind, families, given in KINDS
]

REQUIRES = {"families": DUAL, "policy": "RequireDualStack"}
PREFERS = {"families": DUAL, "policy": "PreferDualStack"}
FIRST, SECOND = BOTH[:2]

POLICIES = [
    pytest.param(
        [
            Step("a pool of both", "a", FIRST, svc("a", pool="small", **REQUIRES)),
            Step("of IPv4", "b", Reason.FAMILY_NOT_IN_POOL, svc("b", pool="v4", **REQUIRES)),
            Step("of IPv6", "c", Reason.FAMILY_NOT_IN_POOL, svc("c", pool="v6", **REQUIRES)),
            Step("goes to one of both", "b", SECOND, svc("b", pool="small", **REQUIRES)),
            Step(
                "one cluster IP",
                "d",
                Reason.NOT_DUAL_STACK,
                svc("d", pool="small", policy="RequireDualStack"),
            ),
            Step("gets the other", "d", BOTH[2], svc("d", pool="small", **REQUIRES)),
            Step("the last IPv4 goes elsewhere", "e", FOUR[3], svc("e", pool="small")),
            Step("one is not enough", "f", Reason.POOL_FULL, svc("f", pool="small", **REQUIRES)),
            Step("IPv4 comes back", "e", None),
            Step("who waited has both", "f", BOTH[3], svc("f", pool="small", **REQUIRES)),
        ],
        id="named pool: two are required",
    ),
    pytest.param(
        [
            Step("a pool of both", "a", FIRST, svc("a", pool="small", **PREFERS)),
            Step("of IPv4", "b", ("203.0.113.4",), svc("b", pool="v4", **PREFERS)),
            Step("is noted", "b", Reason.SECOND_FAMILY, svc("b", pool="v4", **PREFERS)),
            Step("of IPv6", "c", ("fd00:2::4",), svc("c", pool="v6", **PREFERS)),
            Step("is noted too", "c", Reason.SECOND_FAMILY, svc("c", pool="v6", **PREFERS)),
            Step(
                "one cluster IP, of IPv4",
                "d",
                FOUR[1],
                svc("d", pool="small", policy="PreferDualStack"),
            ),
            Step(
                "one cluster IP, of IPv6",
                "e",
                SIX[1],
                svc("e", pool="small", families=V6, policy="PreferDualStack"),
            ),
            Step("goes to a pool of both", "b", BOTH[2], svc("b", pool="small", **PREFERS)),
            Step("the last IPv4 goes elsewhere", "f", FOUR[3], svc("f", pool="small")),
            Step("IPv6 alone is left", "g", SIX[3], svc("g", pool="small", **PREFERS)),
            Step("IPv4 comes back", "f", None),
            Step("the second one is added", "g", ("192.0.2.9", "fd00::9"), svc("g", **PREFERS)),
            Step("now all is used", "h", Reason.POOL_FULL, svc("h", pool="small", **PREFERS)),
        ],
        id="named pool: two are preferred",
    ),
    pytest.param(
        [
            Step("both of one pool", "a", FIRST, svc("a", **REQUIRES)),
            *fill(V4, FOUR[1:]),
            Step("never of two pools", "b", Reason.POOL_FULL, svc("b", **REQUIRES)),
            Step("IPv6 is there", "c", SIX[1], svc("c", families=V6)),
            Step("one cluster IP", "d", Reason.NOT_DUAL_STACK, svc("d", policy="RequireDualStack")),
            Step("IPv4 comes back", "s0", None),
            Step("who waited has both", "b", ("192.0.2.5", "fd00::8"), svc("b", **REQUIRES)),
        ],
        id="automatic: two are required",
    ),
    pytest.param(
        [
            Step("both of one pool", "a", FIRST, svc("a", **PREFERS)),
            *fill(V4, FOUR[1:]),
            Step("IPv4 of another pool", "b", ("203.0.113.4",), svc("b", **PREFERS)),
            Step(
                "IPv6 before it",
                "c",
                SIX[1],
                svc("c", ip_families=("IPv6", "IPv4"), **PREFERS),
            ),
            Step("the last of that pool", "d", ("203.0.113.5",), svc("d", **PREFERS)),
            Step("IPv6, since no IPv4 is left", "e", SIX[2], svc("e", **PREFERS)),
            Step("one cluster IP of IPv6", "f", SIX[3], svc("f", families=V6)),
            Step("IPv4 comes back in the first pool", "s0", None),
            Step("who has IPv6 there gains it", "c", ("192.0.2.5", "fd00::5"), svc("c", **PREFERS)),
            Step("who is elsewhere stays", "b", ("203.0.113.4",), svc("b", **PREFERS)),
        ],
        id="automatic: two are preferred",
    ),
]


def never_unasked(families: tuple[str, ...], given: Given, others: Given) -> list[Step]:
    """Steps beside a pool whose autoAssign is off: it gives `others`."""

    def asks(text: str, **wishes: str) -> dict[str, Any]:
        return svc(text, families=families, **wishes)

    return [
        *fill(families, given),
        Step("not when the others are full", "s4", Reason.POOL_FULL, asks("s4")),
        Step("by name", "s5", others[0], asks("s5", pool="other")),
        Step("by number", "s6", others[2], asks("s6", ips=",".join(others[2]))),
        Step("by both", "s7", others[1], asks("s7", pool="other", ips=",".join(others[1]))),
        Step("one of it goes", "s5", None),
        Step("not then either", "s4", Reason.POOL_FULL, asks("s4")),
        Step("one of the others goes", "s2", None),
        Step("that is its", "s4", given[2], asks("s4")),
    ]


OTHERS = [(f"198.51.100.{i}", f"fd00:1::{i}") for i in range(4, 8)]
NEVER_UNASKED = [
    pytest.param(never_unasked(V4, FOUR, [(four,) for four, _ in OTHERS]), id="autoAssign: IPv4"),
    pytest.param(never_unasked(V6, SIX, [(six,) for _, six in OTHERS]), id="autoAssign: IPv6"),
    pytest.param(never_unasked(DUAL, BOTH, OTHERS), id="autoAssign: both families"),
]

CHANGES = [
    pytest.param(
        [
            Step("unknown", "a", Reason.POOL_UNKNOWN, svc("a", pool="smal")),
            Step("corrected", "a", FOUR[0], svc("a", pool="small")),
            Step("switched", "a", ("198.51.100.4",), svc("a", pool="other")),
            Step("switched to nothing", "a", Reason.POOL_UNKNOWN, svc("a", pool="none")),
        ],
        id="named pool: switching",
    ),
    pytest.param(
        [
            Step("IPv4", "a", FOUR[0], svc("a", pool="small")),
            Step("now IPv6", "a", SIX[0], svc("a", pool="small", families=V6)),
            Step("now both", "a", FIRST, svc("a", pool="small", families=DUAL)),
            Step("IPv6 again", "a", SIX[0], svc("a", pool="small", families=V6)),
        ],
        id="named pool: families change with the cluster IPs and what fits stays",
    ),
    pytest.param(
        [
            *fill(V6, SIX, pool="small"),
            Step("IPv4 is another matter", "s5", FOUR[0], svc("s5", pool="small")),
            Step("both are not", "s6", Reason.POOL_FULL, svc("s6", pool="small", families=DUAL)),
        ],
        id="named pool: one family is full",
    ),
]


@pytest.mark.parametrize("story", [*FILLED, *SHARED, *NEVER_UNASKED, *CHANGES])
def test_allocation(story: list[Step]) -> None:
    play(Cluster(SMALL, OTHER), *story)


@pytest.mark.parametrize("story", POLICIES)
def test_allocation_by_policy(story: list[Step]) -> None:
    single = pool("v4", "203.0.113.4/31"), pool("v6", "fd00:2::4/127", autoAssign=False)
    play(Cluster(SMALL, *single), *story)


@pytest.mark.parametrize(("kind", "families", "_"), KINDS)
def test_pools_of_which_none_assigns_by_itself_say_so(
    kind: str, families: tuple[str, ...], _: Given
) -> None:
    play(Cluster(OTHER), Step(kind, "a", Reason.NO_AUTO_ASSIGN, svc("a", families=families)))


def test_six_addresses_are_usable_where_edges_are_avoided() -> None:
    cluster = Cluster(
        pool("a", "1.2.3.0/31"),
        pool("b", "1.2.3.254/31"),
        pool("c", "1.2.4.0/31", avoidBuggyIPs=True),
        pool("d", "1.2.4.254/31", avoidBuggyIPs=True),
    )
    got = ["1.2.3.0", "1.2.3.1", "1.2.3.254", "1.2.3.255", "1.2.4.1", "1.2.4.254"]
    play(cluster, *fill(V4, [(text,) for text in got]))

    play(cluster, Step("seventh", "s7", Reason.POOL_FULL, svc("s7")))


def test_freed_address_is_given_last_for_a_minute() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/30")).put()
    play(cluster, *fill(V4, [("192.0.2.0",), ("192.0.2.1",)]))
    cluster.delete("s0").run(30.0)

    play(cluster, Step("within the minute", "s2", ("192.0.2.2",), svc("s2")))
    play(cluster, Step("after it", "s3", ("192.0.2.0",), svc("s3")))


def test_address_that_cools_down_is_given_when_it_is_asked_for_or_the_last() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/31"))
    play(cluster, *fill(V4, [("192.0.2.0",), ("192.0.2.1",)]))
    cluster.delete("s0").run()

    play(cluster, Step("the last one", "s2", ("192.0.2.0",), svc("s2")))
    cluster.delete("s1").run()
    play(cluster, Step("asked for", "s3", ("192.0.2.1",), svc("s3", ips="192.0.2.1")))
