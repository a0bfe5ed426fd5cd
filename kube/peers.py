"""From BGPPeers, BFDProfiles and Communities to good ones with their references resolved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from kube.advertisements import share_node
from kube.checks import Findings, by_age, check_selectors
from kube.communities import CommunityError, parse_community
from kube.configuration import BFDTimers, Peer
from kube.crds import BFDProfile, BGPPeer, BGPPeerSpec, Community
from kube.durations import DurationError, parse_duration_ns
from kube.faults import Reason
from kube.objects import Address, Node, ObjectName, Secret

DEFAULT_HOLD_S = 90
MIN_HOLD_S = 3
"RFC 4271 4.2: the Hold Time MUST be either zero or at least three seconds."
MAX_HOLD_S = 65535
BASIC_AUTH = "kubernetes.io/basic-auth"
UNSUPPORTED: Mapping[str, tuple[str, str]] = {
    "dynamic_asn": ("dynamicASN", "write the router's AS number in peerASN"),
    "interface": ("interface", "unnumbered peering is not supported: write peerAddress"),
    "local_asn": ("localASN", "sessions use myASN: remove it"),
    "vrf": ("vrf", "sessions run in the node's main routing table: remove it"),
    "connect_time": ("connectTime", "reconnecting has a back-off of its own: remove it"),
    "dual_stack_address_family": (
        "dualStackAddressFamily",
        "each session carries both families already: remove it",
    ),
}
"Fields MetalLB knows and Herald refuses, and what to do instead."


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What peers refer to, or are compared by."""

    nodes: Mapping[str, Node]
    secrets: Mapping[ObjectName, Secret] | None
    "None while Secrets are not known: peers that need one are left out without a fault."
    profiles: Mapping[str, BFDTimers]
    refused_profiles: frozenset[str] = frozenset()


def usable_peers(
    objects: Iterable[BGPPeer],
    around: Surroundings,
    previous: tuple[Peer, ...],
    findings: Findings,
) -> tuple[Peer, ...]:
    """Return the good peers by name, and the last good version of refused ones."""
    last_good = {peer.name: peer for peer in previous}
    parsed = [(each.name, _peer(each, around, findings)) for each in by_age(objects)]
    parsed.sort(key=lambda entry: 0 if _in_force(entry[0], entry[1], last_good) else 1)
    good: list[Peer] = []
    for name, peer in parsed:
        kept = last_good.get(name.name)
        for wanted in (peer, kept):
            if wanted is not None and _alone(name, wanted, good, around.nodes, findings):
                good.append(wanted)
                break
    return tuple(sorted(good, key=lambda each: each.name))


def usable_profiles(
    objects: Iterable[BFDProfile], previous: tuple[BFDTimers, ...], findings: Findings
) -> tuple[BFDTimers, ...]:
    """Return the good BFD profiles by name, and the last good version of refused ones."""
    last_good = {profile.name: profile for profile in previous}
    found = []
    for obj in objects:
        spec, name = obj.spec, obj.name
        if spec.echo_mode:
            text = "echo mode is not supported: remove it, control packets alone detect the failure"
            findings.refuse(name, "spec.echoMode", text, Reason.UNSUPPORTED)
        elif spec.echo_interval is not None:
            text = "has no effect: there is no echo mode"
            findings.advise(name, "spec.echoInterval", text, Reason.NO_EFFECT)
        timers = BFDTimers(
            name=name.name,
            receive_ms=spec.receive_interval or 300,
            transmit_ms=spec.transmit_interval or 300,
            multiplier=spec.detect_multiplier or 3,
            passive=spec.passive_mode,
            minimum_ttl=spec.minimum_ttl or 254,
        )
        kept = last_good.get(timers.name) if findings.refused(name) else timers
        if kept is not None:
            found.append(kept)
    return tuple(sorted(found, key=lambda each: each.name))


def usable_aliases(objects: Iterable[Community], findings: Findings) -> dict[str, str]:
    """Return the community of each alias; of two definitions the older object's counts."""
    aliases: dict[str, str] = {}
    for obj in by_age(objects):
        for position, alias in enumerate(obj.spec.communities):
            path = f"spec.communities[{position}]"
            if alias.name in aliases:
                text = f'duplicate definition of community "{alias.name}": keep one of them'
                findings.refuse(obj.name, path, text, Reason.DUPLICATE)
                continue
            try:
                aliases[alias.name] = parse_community(alias.value)
            except CommunityError as error:
                findings.refuse(obj.name, path, str(error), Reason.BAD_VALUE)
    return aliases


def _in_force(name: ObjectName, peer: Peer | None, last_good: Mapping[str, Peer]) -> bool:
    before = last_good.get(name.name)
    return before is not None and (peer is None or peer.address == before.address)


def _alone(
    name: ObjectName,
    peer: Peer,
    others: Iterable[Peer],
    nodes: Mapping[str, Node],
    findings: Findings,
) -> bool:
    for other in others:
        same = peer.address == other.address
        if same and share_node(peer.node_selectors, other.node_selectors, nodes):
            findings.refuse(
                name,
                "spec.peerAddress",
                f'a session with {peer.address} already exists: BGPPeer "{other.name}" has the '
                "same address on some node",
                Reason.CONFLICT,
            )
            return False
    return True


def _peer(obj: BGPPeer, around: Surroundings, findings: Findings) -> Peer | None:
    spec, name = obj.spec, obj.name
    _check_fields(name, spec, findings)
    check_selectors(findings, name, {"spec.nodeSelectors": spec.node_selectors})
    address = _ip(name, "peerAddress", spec.peer_address, findings)
    source = _ip(name, "sourceAddress", spec.source_address, findings)
    router_id = _ip(name, "routerID", spec.router_id, findings)
    if isinstance(router_id, IPv6Address):
        text = f'invalid router ID "{spec.router_id}": write it as an IPv4 address'
        findings.refuse(name, "spec.routerID", text, Reason.BAD_VALUE)
    if address and source and address.version != source.version:
        text = f"sourceAddress {source} and peerAddress {address} are of different families"
        findings.refuse(name, "spec.sourceAddress", text, Reason.BAD_VALUE)
    hold_s, keepalive_s = _timers(name, spec, findings)
    bfd = around.profiles.get(spec.bfd_profile)
    if spec.bfd_profile and bfd is None:
        text = f'references non existing bfd profile "{spec.bfd_profile}": create the BFDProfile'
        if spec.bfd_profile in around.refused_profiles:
            text = f'references bfd profile "{spec.bfd_profile}", which is refused: mend that'
        findings.refuse(name, "spec.bfdProfile", text, Reason.UNKNOWN_REFERENCE)
    password = _password(name, spec, around.secrets, findings)
    if address is None or password is None or findings.refused(name):
        return None
    return Peer(
        name=name.name,
        address=address,
        my_asn=spec.my_asn,
        peer_asn=spec.peer_asn,
        port=spec.peer_port,
        source_address=source,
        router_id=router_id if isinstance(router_id, IPv4Address) else None,
        hold_time_s=hold_s,
        keepalive_s=keepalive_s,
        node_selectors=spec.node_selectors,
        password=password,
        bfd=bfd,
        multihop=spec.ebgp_multi_hop,
        graceful_restart=spec.enable_graceful_restart,
    )


def _check_fields(name: ObjectName, spec: BGPPeerSpec, findings: Findings) -> None:
    for attribute, (field, remedy) in UNSUPPORTED.items():
        if getattr(spec, attribute):
            text = f"{field} is not supported: {remedy}"
            findings.refuse(name, f"spec.{field}", text, Reason.UNSUPPORTED)
    if spec.disable_mp:
        text = "has no effect: it is deprecated and ignored"
        findings.advise(name, "spec.disableMP", text, Reason.NO_EFFECT)
    if not spec.my_asn:
        findings.refuse(name, "spec.myASN", "missing local ASN: write it", Reason.BAD_VALUE)
    if spec.peer_asn and spec.dynamic_asn:
        text = "peerASN and dynamicASN are mutually exclusive: keep one of them"
        findings.refuse(name, "spec.dynamicASN", text, Reason.EXCLUSIVE)
    if not spec.peer_asn and not spec.dynamic_asn:
        findings.refuse(name, "spec.peerASN", "missing peer ASN: write it", Reason.BAD_VALUE)
    if spec.peer_address and spec.interface:
        text = "peerAddress and interface are mutually exclusive: keep one of them"
        findings.refuse(name, "spec.interface", text, Reason.EXCLUSIVE)
    if not spec.peer_address and not spec.interface:
        text = "missing BGPPeer address: write the router's IP address"
        findings.refuse(name, "spec.peerAddress", text, Reason.BAD_VALUE)
    if spec.ebgp_multi_hop and spec.my_asn == spec.peer_asn:
        text = "invalid EBGP-MultiHop property set for an iBGP peer: remove it or change an ASN"
        findings.refuse(name, "spec.ebgpMultiHop", text, Reason.BAD_VALUE)


def _ip(name: ObjectName, field: str, text: str, findings: Findings) -> Address | None:
    if not text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        what = "BGPPeer address" if field == "peerAddress" else field
        findings.refuse(
            name, f"spec.{field}", f'invalid {what} "{text}": write an IP address', Reason.BAD_VALUE
        )
        return None


def _timers(name: ObjectName, spec: BGPPeerSpec, findings: Findings) -> tuple[int, int]:
    """Return hold and keepalive time in whole seconds; one alone gives the other by a third."""
    hold_s = _seconds(name, "holdTime", spec.hold_time, findings)
    keepalive_s = _seconds(name, "keepaliveTime", spec.keepalive_time, findings)
    if hold_s is None:
        hold_s = DEFAULT_HOLD_S if keepalive_s is None else 3 * keepalive_s
    if keepalive_s is None:
        keepalive_s = hold_s // 3
    if (hold_s and hold_s < MIN_HOLD_S) or not 0 <= hold_s <= MAX_HOLD_S:
        text = f'invalid hold time "{hold_s}s": must be 0 or >=3s, and at most {MAX_HOLD_S}s'
        findings.refuse(name, "spec.holdTime", text, Reason.BAD_TIMER)
    elif not 0 <= keepalive_s <= hold_s:
        text = (
            f'invalid keepaliveTime "{keepalive_s}s": must be lower than or equal to the hold '
            f"time, {hold_s}s"
        )
        findings.refuse(name, "spec.keepaliveTime", text, Reason.BAD_TIMER)
    return hold_s, keepalive_s


def _seconds(name: ObjectName, field: str, text: str | None, findings: Findings) -> int | None:
    if text is None:
        return None
    try:
        nanoseconds = parse_duration_ns(text)
    except DurationError as error:
        findings.refuse(name, f"spec.{field}", str(error), Reason.BAD_TIMER)
        return None
    # Timers on the wire are whole seconds (RFC 4271 4.2); MetalLB cuts off the rest as well.
    return nanoseconds // 1_000_000_000


def _password(
    name: ObjectName,
    spec: BGPPeerSpec,
    secrets: Mapping[ObjectName, Secret] | None,
    findings: Findings,
) -> str | None:
    """Return the password, empty for none; None when it cannot be had."""
    wanted = spec.password_secret.name
    if not wanted:
        return spec.password
    path = "spec.passwordSecret"
    if spec.password:
        text = "can not have both password and secret ref set in peer config: keep one of them"
        findings.refuse(name, path, text, Reason.EXCLUSIVE)
        return None
    if secrets is None:
        return None
    place = ObjectName(name.namespace, wanted)
    secret = secrets.get(place)
    if secret is None:
        text = f'secret ref not found: create the Secret "{place}" of type {BASIC_AUTH}'
        findings.refuse(name, path, text, Reason.BAD_SECRET)
        return None
    if secret.type != BASIC_AUTH:
        text = f'secret type mismatch on "{place}", type "{BASIC_AUTH}" is expected'
        findings.refuse(name, path, text, Reason.BAD_SECRET)
        return None
    try:
        password = secret.data.get("password", b"").decode()
    except UnicodeDecodeError:
        password = ""
    if not password:
        text = f'password not specified in the secret "{place}": its key is "password"'
        findings.refuse(name, path, text, Reason.BAD_SECRET)
        return None
    return password
