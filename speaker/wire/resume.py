"""The claims a wire process leaves for its successor on the same kernel boot. Pure text.

A node that was rebooted must not resume anything, so the kernel's boot id stands beside them. The
text is one line; what a longer, earlier one has left behind it is not read.
"""

import json
from collections.abc import Mapping
from ipaddress import ip_address

from speaker.seam.messages import Address


def encode_claims(kernel_boot: str, claims: Mapping[str, tuple[Address, ...]]) -> str:
    """Return the text to be stored: the addresses owned, by NIC."""
    texts = {interface: sorted(map(str, owned)) for interface, owned in claims.items() if owned}
    return json.dumps({"boot": kernel_boot, "claims": texts}) + "\n"


def decode_claims(text: str, kernel_boot: str) -> Mapping[str, tuple[Address, ...]]:
    """Return the stored claims; none when they are of another boot or the text is junk."""
    try:
        line, end, _ = text.partition("\n")
        stored = json.loads(line)
        if not end or stored["boot"] != kernel_boot:
            return {}
        return {
            str(interface): tuple(ip_address(each) for each in owned)
            for interface, owned in stored["claims"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
