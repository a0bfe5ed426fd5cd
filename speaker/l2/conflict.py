"""Strangers: hosts that are no speaker and say they have an address that is wanted here.

At an address's first use the segment is asked beside the answering, twice, and only the gratuitous
frames wait for the silence (RFC 4429 does the same for DAD). A stranger then blocks the address
(`hold`) or is only reported (`ignore`); later, or in a fail-over, it is only reported: an owner
defends, as RFC 5227 2.4 (c) does. A MAC that answers for unused addresses too is a proxy: reported
and ignored. While an address is held one probe after the other looks whether the stranger is gone.
"""

import hashlib
import math
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from speaker.hello.neighbours import Neighbour
from speaker.l2.actions import Action, Mac, ProbeStranger, Report
from speaker.l2.ground import Ground
from speaker.l2.record import ANSWERING, Record, Role
from speaker.l2.records import Records
from speaker.seam.messages import Address, ConflictReport

PROBES = 2
DEFEND_INTERVAL_S = 10.0
"""RFC 5227 1.1: minimum interval between defensive announcements."""
FORGET_S = 60.0
"""A stranger not heard for so long is gone."""
CHECK_FAST_S = 1.0
CHECK_FAST_TIMES = 5
CHECK_SLOW_S = 5.0
"""Probes of a held address: quick at first, since a migration's last step waits for them."""
MAX_PROXIES = 64
MAX_DECOYS = 128
DECOY_S = 1.0
DECOY_SPREAD = 253
ASK_AGAIN_S = 60.0
"""One stranger may have a thousand addresses: it is asked for unused ones once a minute."""
ANOTHER_S = 10.0
"""While one stranger is reported, others are not: frames must not make a report each."""


def text_of(mac: Mac) -> str:
    """Return the MAC as people write it."""
    return mac.hex(":")


class Strangers:
    """Foreign MACs that say they have an address, and the probes that look for them."""

    def __init__(self, ground: Ground, records: Records, act: Callable[[Action], None]) -> None:
        self._ground = ground
        self._records = records
        self._act = act
        self._proxies: dict[Mac, None] = {}
        self._decoys: dict[Address, tuple[Mac, float]] = {}
        self._unmasked_until: dict[Mac, float] = {}

    def meet(self, record: Record, mac: Mac, now: float) -> bool:
        """Report a stranger; return whether it counts, which a proxy doesn't."""
        if record.stranger is None or (mac != record.stranger and now >= record.met_at + ANOTHER_S):
            record.met_at = now
            self._report(record, mac)
            self._unmask(record, mac, now)
        record.stranger_at = now
        return mac not in self._proxies

    def foreign_to(self, neighbour: Neighbour, record: Record, now: float) -> bool:
        """Return whether a neighbour's MAC answers for what its speaker does not claim.

        Another load balancer may run on its node and use its MAC. A claim on its way is there
        before the answer to the second probe.
        """
        if neighbour.node in record.claims:
            return False
        if record.role is Role.HELD:
            return record.stranger == neighbour.mac
        settled_at = record.taken_at + self._ground.timing.stranger_spacing_s
        return record.role in ANSWERING and not record.used and now >= settled_at

    def may_defend(self, record: Record, now: float) -> bool:
        """Return whether an owner may announce again against the stranger, once an interval."""
        if now < record.defended_at + DEFEND_INTERVAL_S:
            return False
        record.defended_at = now
        return True

    def forget(self, record: Record) -> None:
        """Report that nobody answers for the address any more."""
        if record.stranger is not None:
            self._report(record, None)

    def _report(self, record: Record, mac: Mac | None) -> None:
        record.stranger = mac
        shown = None if mac is None else text_of(mac)
        interface = self._ground.interface
        proxy = mac in self._proxies
        self._act(Report(ConflictReport(record.address, interface, shown, proxy=proxy)))

    # Proxies

    def _unmask(self, record: Record, mac: Mac, now: float) -> None:
        """Ask for addresses that nobody should have, to see whether the MAC is a proxy."""
        if mac in self._proxies or now < self._unmasked_until.get(mac, -math.inf):
            return
        while len(self._unmasked_until) >= MAX_PROXIES:
            self._unmasked_until.pop(next(iter(self._unmasked_until)))
        self._unmasked_until[mac] = now + ASK_AGAIN_S
        for decoy in self._unused_near(record.address):
            while len(self._decoys) >= MAX_DECOYS:
                self._decoys.pop(next(iter(self._decoys)))
            self._decoys[decoy] = (mac, now + DECOY_S)
            self._act(ProbeStranger(decoy))

    def unmasked(self, address: Address, mac: Mac, now: float) -> list[Record]:
        """Return the records that a MAC no longer counts for: its answer shows it is a proxy."""
        asked = self._decoys.get(address)
        if asked is None or asked[0] != mac or now > asked[1]:
            return []
        self._proxies[mac] = None
        while len(self._proxies) > MAX_PROXIES:
            self._proxies.pop(next(iter(self._proxies)))
        freed = [each for each in self._records.by_address.values() if each.stranger == mac]
        for record in freed:
            self._report(record, mac)
        return freed

    def _unused_near(self, address: Address) -> list[Address]:
        """Return two addresses beside it, by hash: that one host has all three is not likely."""
        digest = hashlib.sha256(address.packed).digest()
        base = int(address) & ~0xFF
        make = IPv4Address if address.version == 4 else IPv6Address
        picked = dict.fromkeys(make(base + 1 + byte % DECOY_SPREAD) for byte in digest)
        taken = {each.ip for each in self._ground.link.prefixes} | {address}
        unused = (each for each in picked if each not in taken)
        return [each for each in unused if each not in self._records.by_address][:2]

    # Probing

    def begin_probing(self, record: Record, now: float) -> None:
        """Look for a stranger beside the answering; announce only when nobody says anything."""
        record.probes_left = PROBES
        record.probe_at = now

    def step_probing(self, record: Record, now: float) -> bool:
        """Probe if it is time; return True once the last probe stayed without an answer."""
        if record.probe_at is None or now < record.probe_at:
            return False
        if record.probes_left == 0:
            record.probe_at = None
            return True
        record.probes_left -= 1
        record.probe_at = now + self._ground.timing.stranger_spacing_s
        self._act(ProbeStranger(record.address))
        return False

    def look_again(self, record: Record, now: float) -> bool:
        """Probe a held address now and then; return whether the stranger is gone."""
        if record.probe_at is None:
            record.checks = 0
            record.probe_at = now + CHECK_FAST_S
        if now < record.probe_at:
            return False
        if record.checks and record.stranger_at <= record.checked_at:
            self._report(record, None)
            record.probe_at = None
            return True
        record.checks += 1
        record.checked_at = now
        fast = record.checks <= CHECK_FAST_TIMES
        record.probe_at = now + (CHECK_FAST_S if fast else CHECK_SLOW_S)
        self._act(ProbeStranger(record.address))
        return False

    def due(self, record: Record) -> float | None:
        """Return when a stranger that an owner has met counts as gone."""
        return None if record.stranger is None else record.stranger_at + FORGET_S

    def fade(self, record: Record, now: float) -> None:
        """Report the end of a conflict that was not heard of for long."""
        if record.stranger is not None and now >= record.stranger_at + FORGET_S:
            self._report(record, None)
