"""The `metallb.io` objects that Herald only writes, and the status of a pool.

Models for the CRDs' schemas and for those who build such objects; names and meaning are MetalLB's.
"""

from typing import Annotated, Literal

from pydantic import Field

from kube.crds import Model

Count = Annotated[int, Field(json_schema_extra={"format": "int64"})]


class IPAddressPoolStatus(Model):
    """How many addresses of a pool are given and free."""

    assigned_ipv4: Count = Field(alias="assignedIPv4")
    assigned_ipv6: Count = Field(alias="assignedIPv6")
    available_ipv4: Count = Field(alias="availableIPv4")
    available_ipv6: Count = Field(alias="availableIPv6")


class InterfaceStatus(Model):
    """A NIC by name."""

    name: str = ""


class ServiceL2StatusStatus(Model):
    """Which node answers for a Service; no interfaces means all."""

    node: str = ""
    service_name: str = ""
    service_namespace: str = ""
    interfaces: tuple[InterfaceStatus, ...] = ()


class ServiceBGPStatusStatus(Model):
    """To which peers a node announces a Service."""

    node: str = ""
    service_name: str = ""
    service_namespace: str = ""
    peers: tuple[str, ...] = ()


class Condition(Model):
    """`metav1.Condition`."""

    type: Annotated[
        str,
        Field(
            max_length=316,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]
    status: Literal["True", "False", "Unknown"]
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    message: Annotated[str, Field(max_length=32768)]


class ConfigurationStateStatus(Model):
    """Whether one process could use the whole configuration, and what it refused."""

    result: Literal["Valid", "Invalid", "Unknown"] | None = None
    error_summary: str = ""
    conditions: tuple[Condition, ...] = ()
