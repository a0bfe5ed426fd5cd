"""The hello datagram: values, parser and serializer; no state.

Layout (big endian). Everything up to the cluster id can be judged before the HMAC is computed.

    0   magic "HRLD"            8   cluster id, 16 bytes (truncated SHA-256 of its text)
    4   version (1)             24  TLVs: type u8, length u16, value; unknown types are skipped
    5   reserved (0)            end HMAC-SHA256 over all that precedes it, 32 bytes
    6   key id u16
"""

from enum import Enum


class DropReason(Enum):
    """Why a datagram was not used; also the metric's label."""

    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    BAD_MAGIC = "bad-magic"
    BAD_VERSION = "bad-version"
    OTHER_CLUSTER = "other-cluster"
    UNKNOWN_KEY = "unknown-key"
    BAD_HMAC = "bad-hmac"
    MALFORMED = "malformed"
    NO_IDENTITY = "no-identity"
    OWN = "own"
    TWIN = "twin"
    REPLAYED = "replayed"
    OLD_BOOT = "old-boot"
    TABLE_FULL = "table-full"
    LINK_DOWN = "link-down"
