"""What `kubectl explain` says about each field, by kind and path."""

from collections.abc import Mapping
from types import MappingProxyType

SELECTOR = {
    "matchLabels": "Labels that must all be there with these values.",
    "matchExpressions": "Requirements that must all be met.",
    "matchExpressions.key": "The label's key.",
    "matchExpressions.operator": "How the label's value relates to `values`.",
    "matchExpressions.values": "Values for In and NotIn; empty for Exists and DoesNotExist.",
}


def _selector(path: str, text: str) -> dict[str, str]:
    return {path: text} | {f"{path}.{key}": value for key, value in SELECTOR.items()}


ADVERTISEMENT = {
    "spec.ipAddressPools": "Pools to announce, by name. With no pool named or selected: all.",
    **_selector("spec.ipAddressPoolSelectors", "Pools to announce, by label; one match is enough."),
    **_selector("spec.nodeSelectors", "Nodes that may announce; none given means all."),
    **_selector("spec.serviceSelectors", "Services to announce, by label; none given means all."),
    "status": "Unused.",
}
SERVICE = {
    "status.node": "The node that announces the Service.",
    "status.serviceName": "Name of the Service.",
    "status.serviceNamespace": "Namespace of the Service.",
    "spec": "Unused.",
}

_WORDS: dict[str, dict[str, str]] = {
    "IPAddressPool": {
        "": "A pool of addresses that Services of type LoadBalancer are given from.",
        "spec": "The addresses, and for whom they are.",
        "spec.addresses": "CIDRs or ranges `start-end`, IPv4 or IPv6; no two pools may overlap.",
        "spec.autoAssign": "If false, addresses are given only to Services that ask for the pool.",
        "spec.avoidBuggyIPs": "If true, IPv4 addresses that end in .0 or .255 are never given.",
        "spec.serviceAllocation": "Which Services the pool is for; left out: every Service.",
        "spec.serviceAllocation.priority": "Pools are tried lowest first; 0 is last.",
        "spec.serviceAllocation.namespaces": "Namespaces of these Services, by name.",
        **_selector(
            "spec.serviceAllocation.namespaceSelectors", "Namespaces of these Services, by label."
        ),
        **_selector("spec.serviceAllocation.serviceSelectors", "These Services, by label."),
        "status": "How much of the pool is in use; written by the controller.",
        "status.assignedIPv4": "IPv4 addresses given to Services.",
        "status.assignedIPv6": "IPv6 addresses given to Services.",
        "status.availableIPv4": "IPv4 addresses left.",
        "status.availableIPv6": "IPv6 addresses left, 2^63-1 at most.",
    },
    "L2Advertisement": {
        "": "Announces the addresses of pools by ARP and NDP.",
        "spec": "What is announced, and where.",
        **ADVERTISEMENT,
        "spec.interfaces": "NICs to answer on; none given means all.",
        "spec.preferredNodeSelectors": "Nodes to prefer: the weights of all that match add up.",
        "spec.preferredNodeSelectors.weight": "Weight of this preference, 1 to 100.",
        **_selector("spec.preferredNodeSelectors.preference", "The nodes preferred."),
    },
    "BGPAdvertisement": {
        "": "Announces the addresses of pools to BGP peers.",
        "spec": "What is announced, how, and to whom.",
        **ADVERTISEMENT,
        "spec.aggregationLength": "Length of the IPv4 prefixes announced; 32: each alone.",
        "spec.aggregationLengthV6": "Length of the IPv6 prefixes announced.",
        "spec.localPref": "LOCAL_PREF of the routes, for iBGP peers; 0 sets none.",
        "spec.communities": "Communities `a:b`, `large:a:b:c`, or names of Community aliases.",
        "spec.peers": "BGPPeers to announce to, by name; none given means all.",
    },
    "BGPPeer": {
        "": "A router that speakers peer with.",
        "spec": "How to peer, and from which nodes.",
        "spec.myASN": "AS number of this end.",
        "spec.peerASN": "AS number of the router.",
        "spec.dynamicASN": "Take the router's AS number from its OPEN. Herald refuses this.",
        "spec.localASN": "AS number shown to this peer instead of myASN. Herald refuses this.",
        "spec.peerAddress": "Address of the router.",
        "spec.interface": "NIC for unnumbered peering. Herald refuses this.",
        "spec.sourceAddress": "Address to peer from.",
        "spec.peerPort": "Port of the router.",
        "spec.holdTime": "Hold time, 0 or 3s to 65535s; 90s when left out.",
        "spec.keepaliveTime": "Keepalive interval; a third of the hold time when left out.",
        "spec.connectTime": "Pause between attempts to connect. Herald refuses this.",
        "spec.routerID": "BGP identifier of the speaker, in the form of an IPv4 address.",
        **_selector("spec.nodeSelectors", "Nodes that peer; none given means all."),
        "spec.password": "Password for TCP MD5; better kept in a Secret.",
        "spec.passwordSecret": "Secret with the password, of type kubernetes.io/basic-auth.",
        "spec.passwordSecret.name": "Name of the Secret, in Herald's own namespace.",
        "spec.passwordSecret.namespace": "Unused.",
        "spec.bfdProfile": "BFDProfile of the session, by name; none means no BFD.",
        "spec.enableGracefulRestart": "Keep routes over a restart (RFC 4724). Cannot be changed.",
        "spec.ebgpMultiHop": "The router may be more than one hop away.",
        "spec.vrf": "VRF to peer in. Herald refuses this.",
        "spec.disableMP": "Deprecated: has no effect.",
        "spec.dualStackAddressFamily": "Herald's sessions carry both families; it refuses this.",
        "status": "Unused.",
    },
    "BFDProfile": {
        "": "Timers of a BFD session.",
        "spec": "The timers.",
        "spec.receiveInterval": "Shortest interval accepted, in ms; 300 when left out.",
        "spec.transmitInterval": "Shortest interval sent, in ms; 300 when left out.",
        "spec.detectMultiplier": "Packets missed until the session is down; 3 when left out.",
        "spec.echoInterval": "Interval of echo packets, in ms. Without echo mode: no effect.",
        "spec.echoMode": "Use echo packets. Herald refuses this.",
        "spec.passiveMode": "Wait for the peer's first packet.",
        "spec.minimumTtl": "Lowest TTL accepted, for multi-hop sessions only; 254 when left out.",
        "status": "Unused.",
    },
    "Community": {
        "": "Names for BGP communities.",
        "spec": "The names.",
        "spec.communities": "Names and their values.",
        "spec.communities.name": "The name, unique among all Community objects.",
        "spec.communities.value": "The community: `a:b` or `large:a:b:c`.",
        "status": "Unused.",
    },
    "ServiceL2Status": {
        "": "Which node answers for a Service by ARP and NDP; written by the speakers.",
        **SERVICE,
        "status": "Who answers.",
        "status.interfaces": "NICs it answers on; none given means all.",
        "status.interfaces.name": "Name of the NIC.",
    },
    "ServiceBGPStatus": {
        "": "To which peers a node announces a Service; written by the speakers.",
        **SERVICE,
        "status": "Who announces.",
        "status.peers": "BGPPeers announced to, by name, sorted.",
    },
    "ConfigurationState": {
        "": "Whether one process of Herald could use the whole configuration.",
        "status": "The result.",
        "status.result": "Valid, Invalid, or Unknown before the first check.",
        "status.errorSummary": "What is wrong, one line for each fault.",
        "status.conditions": "The result of each part.",
        "status.conditions.type": "The part.",
        "status.conditions.status": "True, False or Unknown.",
        "status.conditions.observedGeneration": "Unused.",
        "status.conditions.lastTransitionTime": "When the status changed last.",
        "status.conditions.reason": "Why, as one word.",
        "status.conditions.message": "Why, as a sentence.",
    },
}

WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(_WORDS)
