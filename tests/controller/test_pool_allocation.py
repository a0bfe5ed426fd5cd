"""Addresses from a named pool and automatic ones: until nothing is left, and then again."""

from collections.abc import Sequence

import pytest

from controller.outcome import Reason
from tests.builders import pool
from tests.controller.cluster import Cluster
from tests.controller.steps import DUAL, V4, V6, Step, play, svc

SMALL = pool("small", "192.0.2.4/31", "192.0.2.8/31", "fd00::4/127", "fd00::8/127")
OTHER = pool("other", "198.51.100.4/30", "fd00:1::4/126", autoAssign=False)
FOUR = [("192.0.2.4",), ("192.0.2.5",), ("192.0.2.8",), ("192.0.2.9",)]
SIX = [("fd00::4",), ("fd00::5",), ("fd00::8",), ("fd00::9",)]


def fill(families: tuple[str, ...], given: Sequence[tuple[str, ...]], **wishes: str) -> list[Step]:
    return [
        Step(f"number {i} fits", f"s{i}", wants, svc(f"s{i}", families=families, **wishes))
        for i, wants in enumerate(given)
    ]


STORIES = [
    pytest.param(
        [
            *fill(V4, FOUR, pool="small"),
            Step("nothing left", "s4", Reason.POOL_FULL, svc("s4", pool="small")),
            Step("one goes", "s1", None),
            Step("the next gets it", "s5", Reason.POOL_FULL, svc("s5", pool="small")),
            Step("it was s4 who waited", "s4", ("192.0.2.5",), svc("s4", pool="small")),
        ],
        id="named pool: IPv4 until it is full",
    ),
    pytest.param(
        [
            *fill(V6, SIX, pool="small"),
            Step("nothing left", "s4", Reason.POOL_FULL, svc("s4", pool="small", families=V6)),
            Step("IPv4 is another matter", "s5", FOUR[0], svc("s5", pool="small")),
        ],
        id="named pool: IPv6 until it is full",
    ),
    pytest.param(
        [
            *fill(V4, FOUR[:3], pool="small"),
            Step("shares", "s3", FOUR[3], svc("s3", pool="small", key="k")),
            Step(
                "sixth fits by sharing",
                "s5",
                FOUR[3],
                svc("s5", pool="small", key="k", ports=["TCP/81"]),
            ),
            Step("same port does not", "s6", Reason.POOL_FULL, svc("s6", pool="small", key="k")),
        ],
        id="named pool: sharing makes room",
    ),
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
            Step("now both", "a", ("192.0.2.4", "fd00::4"), svc("a", pool="small", families=DUAL)),
            Step("IPv6 again", "a", SIX[0], svc("a", pool="small", families=V6)),
        ],
        id="named pool: families change with the cluster IPs and what fits stays",
    ),
    pytest.param(
        [
            *fill(V4, FOUR),
            Step("autoAssign is off there", "s4", Reason.POOL_FULL, svc("s4")),
            Step("but by name", "s4", ("198.51.100.4",), svc("s4", pool="other")),
            Step("and by number", "s5", ("198.51.100.6",), svc("s5", ips="198.51.100.6")),
            Step("both families", "s6", Reason.POOL_FULL, svc("s6", families=DUAL)),
            Step(
                "both by name",
                "s7",
                ("198.51.100.5", "fd00:1::4"),
                svc("s7", families=DUAL, pool="other"),
            ),
        ],
        id="automatic: never from a pool with autoAssign off",
    ),
    pytest.param(
        [
            *fill(DUAL, [(*four, *six) for four, six in zip(FOUR, SIX, strict=True)]),
            Step("nothing left of both", "s4", Reason.POOL_FULL, svc("s4", families=DUAL)),
            Step("nothing left of one", "s5", Reason.POOL_FULL, svc("s5", families=V6)),
        ],
        id="automatic: both families until full",
    ),
]


@pytest.mark.parametrize("story", STORIES)
def test_allocation(story: list[Step]) -> None:
    play(Cluster(SMALL, OTHER), *story)


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
