"""Each field of a peer and of a route, as a real FRR sees it."""

from ipaddress import ip_address

from speaker.seam.messages import PeerRemoved
from tests.lab.bgp_lab import (
    ROUTER6,
    SPEAKER6,
    bgp_lab,
    frr_config,
    needs_lab,
    peer,
    route,
    run,
    until,
)

pytestmark = needs_lab
VIP, VIP6 = "192.168.4.10/32", "fd00:4::10/128"


async def test_a_peer_with_a_password_comes_up() -> None:
    password = 'p;a}s{s"w\\ord'  # what a config's syntax would trip over
    async with bgp_lab(frr_config(f"password {password}")) as lab:
        lab.brain.say(peer(password=password), route(VIP))
        lab.brain.start()

        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        config = lab.folder / "run" / "exabgp.conf"
        assert config.stat().st_mode & 0o777 == 0o600


async def test_a_wrong_password_never_comes_up_and_a_right_one_mends_it() -> None:
    async with bgp_lab(frr_config("password right")) as lab:
        lab.brain.say(peer(password="wrong"), route(VIP))
        lab.brain.start()
        await until(lambda: lab.brain.session("router"), "the session's report")
        lab.brain.say(peer(password="right"))

        await until(lambda: lab.frr.route(VIP), "the route in FRR")


async def test_both_families_go_over_an_ipv4_session() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(), route(VIP), route(VIP6))
        lab.brain.start()

        await until(lambda: lab.frr.route(VIP), "the IPv4 route")
        found = await until(lambda: lab.frr.route(VIP6), "the IPv6 route")
        assert found["nexthops"][0]["ip"] == SPEAKER6


async def test_both_families_go_over_an_ipv6_session() -> None:
    async with bgp_lab(frr_config(peer=SPEAKER6)) as lab:
        lab.brain.say(peer(address=ROUTER6), route(VIP), route(VIP6))
        lab.brain.start()

        found = await until(lambda: lab.frr.route(VIP), "the IPv4 route")
        assert found["nexthops"][0]["ip"] == "10.9.0.1"
        found = await until(lambda: lab.frr.route(VIP6), "the IPv6 route")
        assert found["nexthops"][0]["ip"] == SPEAKER6


async def test_a_prefix_without_a_next_hop_is_refused_until_the_nic_has_one() -> None:
    async with bgp_lab(frr_config()) as lab:
        run("ip", "-n", lab.namespaces.speaker, "addr", "del", f"{SPEAKER6}/64", "dev", "lan0")
        lab.brain.say(peer(), route(VIP), route(VIP6))
        lab.brain.start()
        await until(lambda: lab.frr.route(VIP), "the IPv4 route")
        text = await until(lambda: lab.brain.fault("router"), "the fault")
        assert f"{VIP6} not announced: the NIC towards it has no global address" in text
        add = ["ip", "-n", lab.namespaces.speaker, "addr", "add", f"{SPEAKER6}/64", "dev", "lan0"]
        run(*add, "nodad")

        await until(lambda: lab.frr.route(VIP6), "the IPv6 route")
        await until(lambda: not lab.brain.fault("router"), "no fault")


async def test_a_family_that_the_peer_does_not_want_is_refused() -> None:
    config = frr_config().replace("address-family ipv6 unicast\n  neighbor 10.9.0.1 activate", "")
    async with bgp_lab(config) as lab:
        lab.brain.say(peer(), route(VIP), route(VIP6))
        lab.brain.start()
        await until(lambda: lab.frr.route(VIP), "the IPv4 route")

        text = await until(lambda: lab.brain.fault("router"), "the fault")
        assert f"{VIP6} not announced: it has not agreed to that address family" in text


async def test_an_internal_peer_gets_local_pref_and_zero_when_de_preferred() -> None:
    async with bgp_lab(frr_config(asn=64513)) as lab:
        internal = peer(my_asn=64513)
        lab.brain.say(internal, route(VIP, local_pref=250), route("192.168.4.11/32"))
        lab.brain.start()
        found = await until(lambda: lab.frr.route(VIP), "the route in FRR")
        assert found["locPrf"] == 250
        await until(lambda: lab.frr.route("192.168.4.11/32").get("locPrf") == 100, "its default")
        lab.brain.say(route(VIP, local_pref=250, de_preferred=True))

        await until(lambda: lab.frr.route(VIP).get("locPrf") == 0, "de-preferred")
        assert lab.frr.route(VIP)["community"]["list"] == ["gracefulShutdown"]


async def test_timers_router_id_and_source_address_are_the_peers() -> None:
    async with bgp_lab(frr_config(peer="10.9.0.9")) as lab:
        run("ip", "-n", lab.namespaces.speaker, "addr", "add", "10.9.0.9/24", "dev", "lan0")
        lab.brain.say(
            peer(
                hold_time_s=30,
                keepalive_s=5,
                local_address=ip_address("10.9.0.9"),
                router_id=ip_address("9.9.9.9"),
            ),
            route(VIP),
        )
        lab.brain.start()

        found = await until(lambda: lab.frr.route(VIP), "the route in FRR")
        assert found["nexthops"][0]["ip"] == "10.9.0.9"
        neighbor = lab.frr.neighbor("10.9.0.9")
        assert neighbor["remoteRouterId"] == "9.9.9.9"
        assert neighbor["bgpTimerHoldTimeMsecs"] == 30_000


async def test_keepalives_come_as_often_as_asked() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(hold_time_s=90, keepalive_s=1), route(VIP))
        lab.brain.start()
        await until(lambda: lab.frr.route(VIP), "the route in FRR")

        def keepalives() -> int:
            return int(lab.frr.neighbor()["messageStats"]["keepalivesRecv"])

        # One opens the session; at a third of the hold time three more took 90 s.
        await until(lambda: keepalives() >= 4, "keepalives", limit_s=60)


async def test_a_source_address_of_another_node_is_a_fault() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(local_address=ip_address("10.9.0.99")), route(VIP))
        lab.brain.start()

        text = await until(lambda: lab.brain.fault("router"), "the fault")
        assert text == "BGPPeer router: sourceAddress isn't an address of this node"


async def test_another_port_is_used() -> None:
    async with bgp_lab("") as lab:
        lab.frr.start(frr_config(), "-p", "1790")
        lab.brain.say(peer(port=1790), route(VIP))
        lab.brain.start()

        await until(lambda: lab.frr.route(VIP), "the route in FRR")


async def test_a_peer_behind_a_router_needs_ebgp_multihop() -> None:
    config = frr_config("ebgp-multihop 5", "update-source 192.0.2.2")
    async with bgp_lab(config) as lab:
        run("ip", "-n", lab.namespaces.router, "addr", "add", "192.0.2.2/32", "dev", "lo")
        via = ("192.0.2.2/32", "via", "10.9.0.2")
        run("ip", "-n", lab.namespaces.speaker, "route", "add", *via)
        lab.brain.say(peer(address="192.0.2.2"), route(VIP))
        lab.brain.start()
        text = await until(lambda: lab.brain.fault("router"), "the fault")
        assert "set ebgpMultiHop" in text
        lab.brain.say(peer(address="192.0.2.2", multihop=True))

        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        await until(lambda: not lab.brain.fault("router"), "no fault")


async def test_peers_come_and_go_without_disturbing_others() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.frr.configure(
            "router bgp 64513", f"neighbor {SPEAKER6} remote-as 64512",
            "address-family ipv6 unicast", f"neighbor {SPEAKER6} activate",
        )  # fmt: skip
        lab.brain.say(peer(), route(VIP, "router", "six"), route(VIP6, "six"))
        lab.brain.start()
        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        lab.brain.say(peer("six", ROUTER6))
        found = await until(lambda: lab.frr.route(VIP6), "the route of the second peer")
        assert found["peer"]["peerId"] == SPEAKER6
        lab.brain.say(PeerRemoved("six"))

        await until(lambda: not lab.frr.route(VIP6), "its withdrawal")
        await until(lambda: lab.brain.session("six") is None, "its session forgotten")
        assert not [name for name in lab.speaker.metrics() if "six" in name]
        assert lab.frr.established() == 1


async def test_a_changed_timer_resets_only_its_own_session() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(), route(VIP))
        lab.brain.start()
        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        lab.brain.say(peer(hold_time_s=30))

        def hold_time() -> int:
            return int(lab.frr.neighbor().get("bgpTimerHoldTimeMsecs", 0))

        await until(lambda: hold_time() == 30_000, "the new hold time")
        await until(lambda: lab.frr.route(VIP), "the route again")
