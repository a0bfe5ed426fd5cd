"""BGPPeer v1beta1: served for old manifests, never stored.

Its fields are those of v1beta2 with the same names and meaning, less the newer ones. So the API
server itself converts, by changing the version alone (conversion strategy None): there is no
webhook that could be down, and no timer is invented for an object that has none.
"""

from typing import Annotated

from pydantic import Field

from kube.crds import ASN, Model
from kube.selectors import Operator


class NodeSelectorRequirement(Model):
    """One entry of `matchExpressions`."""

    key: str
    operator: Operator
    values: Annotated[tuple[str, ...], Field(min_length=1)]


class NodeSelector(Model):
    """Labels that a node must have."""

    match_labels: Annotated[dict[str, str], Field(default_factory=dict)]
    match_expressions: tuple[NodeSelectorRequirement, ...] = ()


class BGPPeerV1Beta1Spec(Model):
    """`BGPPeer.spec`, v1beta1."""

    my_asn: ASN = Field(alias="myASN")
    peer_asn: ASN = Field(alias="peerASN")
    peer_address: str
    source_address: str = ""
    peer_port: Annotated[int, Field(ge=0, le=16384)] = 0
    hold_time: str | None = None
    keepalive_time: str | None = None
    router_id: str = Field(default="", alias="routerID")
    node_selectors: tuple[NodeSelector, ...] = ()
    password: str = Field(default="", repr=False)
    bfd_profile: str = ""
    ebgp_multi_hop: bool = False
