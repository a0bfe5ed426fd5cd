"""Which objects are good: every check that needs more than one field or object.

`usable` is the one entry, for admission, controller and speakers alike. One bad object never stops
the good ones: it is refused with a fault and, where it was good before, its last good version
stays in use. Of two objects in conflict the one in force stays, then the older one counts.
"""

from kube.advertisements import advise_unknown_peers, usable_bgp, usable_l2
from kube.checks import Findings
from kube.configuration import Configuration
from kube.faults import Fault, Reason
from kube.peers import Surroundings, usable_aliases, usable_peers, usable_profiles
from kube.pools import usable_pools
from kube.snapshot import Kind, Snapshot

NOTHING_BEFORE = Configuration()


def usable(
    snapshot: Snapshot, previous: Configuration | None = None
) -> tuple[Configuration, tuple[Fault, ...]]:
    """Return the configuration of all good objects, and what is wrong with the others."""
    before = previous or NOTHING_BEFORE
    findings = {kind: Findings(kind) for kind in Kind}
    pools, refused = usable_pools(
        snapshot.pools.values(), before.pools, findings[Kind.IP_ADDRESS_POOL]
    )
    every = tuple(sorted((*pools, *refused), key=lambda pool: pool.name))
    aliases = usable_aliases(snapshot.communities.values(), findings[Kind.COMMUNITY])
    profiles = usable_profiles(
        snapshot.bfd_profiles.values(), before.profiles, findings[Kind.BFD_PROFILE]
    )
    around = Surroundings(
        nodes=snapshot.nodes,
        secrets=snapshot.secrets if Kind.SECRET in snapshot.listed else None,
        profiles={profile.name: profile for profile in profiles},
        refused_profiles=frozenset(name.name for name in snapshot.bfd_profiles),
    )
    configuration = Configuration(
        pools=pools,
        refused_pools=refused,
        l2=usable_l2(
            snapshot.l2_advertisements.values(), every, before.l2, findings[Kind.L2_ADVERTISEMENT]
        ),
        bgp=usable_bgp(
            snapshot.bgp_advertisements.values(),
            every,
            aliases,
            snapshot.nodes,
            before.bgp,
            findings[Kind.BGP_ADVERTISEMENT],
        ),
        peers=usable_peers(
            snapshot.bgp_peers.values(), around, before.peers, findings[Kind.BGP_PEER]
        ),
        profiles=profiles,
    )
    if Kind.BGP_PEER in snapshot.listed:
        advise_unknown_peers(
            snapshot.bgp_advertisements.values(),
            frozenset(name.name for name in snapshot.bgp_peers),
            findings[Kind.BGP_ADVERTISEMENT],
        )
    found = [fault for each in findings.values() for fault in each.faults]
    return configuration, _ordered([*_unreadable(snapshot), *found])


def _unreadable(snapshot: Snapshot) -> list[Fault]:
    return [
        Fault(kind, name, "", text, Reason.UNREADABLE)
        for (kind, name), text in snapshot.faults.items()
    ]


def _ordered(faults: list[Fault]) -> tuple[Fault, ...]:
    return tuple(
        sorted(faults, key=lambda each: (each.kind.value, each.name, each.field, each.text))
    )
