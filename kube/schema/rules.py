"""What a schema says beyond types: CEL rules and MetalLB's formats and defaults, by path.

A CEL rule may ask only for what one object can show by itself; what needs more is
`kube.validation`'s. Messages are those of MetalLB where it has one.
"""

from collections.abc import Mapping
from types import MappingProxyType

from kube.objects import Json


def _rules(*rules: tuple[str, str]) -> Json:
    return {"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in rules]}


IMMUTABLE = _rules(("self == oldSelf", "Value is immutable"))
SERVICE_STATUS: dict[str, Json] = {
    "spec": {"type": "object"},
    "status.node": IMMUTABLE,
    "status.serviceName": IMMUTABLE,
    "status.serviceNamespace": IMMUTABLE,
}
WHOLE_SECONDS = _rules(
    (
        "duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535",
        "connect time should be between 1 seconds to 65535",
    ),
    (
        "duration(self).getMilliseconds() % 1000 == 0",
        "connect time should contain a whole number of seconds",
    ),
)
HOLD_TIME = _rules(
    (
        "duration(self) == duration('0s') || duration(self) >= duration('3s')",
        "invalid hold time: must be 0 or >=3s",
    ),
    ("duration(self) <= duration('65535s')", "invalid hold time: must be at most 65535s"),
)
BGP_PEER = _rules(
    (
        "(has(self.peerASN) && self.peerASN > 0) != has(self.dynamicASN)",
        "exactly one of peerASN and dynamicASN is needed",
    ),
    (
        "(has(self.peerAddress) && self.peerAddress != '') != "
        "(has(self.interface) && self.interface != '')",
        "exactly one of peerAddress and interface is needed",
    ),
    (
        "!(has(self.password) && self.password != '' && has(self.passwordSecret) && "
        "has(self.passwordSecret.name) && self.passwordSecret.name != '')",
        "can not have both password and secret ref set in peer config",
    ),
    (
        "!(has(self.ebgpMultiHop) && self.ebgpMultiHop && has(self.peerASN) && "
        "self.peerASN == self.myASN)",
        "invalid EBGP-MultiHop property set for an iBGP peer",
    ),
    (
        "!has(self.holdTime) || !has(self.keepaliveTime) || "
        "duration(self.keepaliveTime) <= duration(self.holdTime)",
        "invalid keepaliveTime: must be lower than or equal to holdTime",
    ),
)
BGP_ADVERTISEMENT = _rules(
    (
        "!has(self.serviceSelectors) || size(self.serviceSelectors) == 0 || "
        "((!has(self.aggregationLength) || self.aggregationLength == 32) && "
        "(!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))",
        "serviceSelectors and aggregationLength are mutually exclusive",
    )
)

EXTRA: Mapping[str, Mapping[str, Json]] = MappingProxyType(
    {
        "IPAddressPool": {"spec.avoidBuggyIPs": {"default": False}},
        "L2Advertisement": {},
        "BGPAdvertisement": {"spec": BGP_ADVERTISEMENT},
        "BGPPeer": {
            "spec": BGP_PEER,
            "spec.localASN": {"minimum": 1},
            "spec.holdTime": HOLD_TIME,
            "spec.connectTime": WHOLE_SECONDS,
            "spec.enableGracefulRestart": IMMUTABLE,
            "spec.disableMP": {"default": False},
            "spec.dualStackAddressFamily": {"default": False},
        },
        "BFDProfile": {},
        "Community": {},
        "ServiceL2Status": SERVICE_STATUS,
        "ServiceBGPStatus": SERVICE_STATUS,
        "ConfigurationState": {
            "status.conditions": {
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            }
        },
    }
)
