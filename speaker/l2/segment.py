"""The L2 core of one NIC: the façade its driver talks to. It knows no socket and no clock.

The driver's loop, after *every* call of a method that takes `now`:

    while (action := segment.next_action()) is not None: perform(action)
    re-arm one timer for segment.next_deadline(), and call handle_deadline(now) when it is due

- All times are loop seconds. A deadline in the past means: as soon as the loop has read what lies
  in the sockets (the core slices long work, and unread hellos are evidence that must count first).
- `boot_id` is random, 64 bits, one for each start of the wire process, the same for all its NICs.
- Nothing is sent before `set_identity` and a `set_link` with `up`. Intents may come at any time;
  a wire that (re)starts passes them on at the seam's `End`, when they are in force, and calls
  `set_expected` before them.
- `receive_hello` gets the UDP payload; IP and UDP headers, TTL 255 and the source MAC are the
  driver's. Frames that the NIC itself sent must not be given back. It returns the reason when the
  datagram was not used, for the driver's counters.
- `receive_sighting` is for every ARP sender address / NA target that is in `watched_addresses` (or
  was asked for by `ProbeStranger` within the last second), with the MAC it came from, own excepted.
- `receive_life` is for any frame from another host; calling it every 100 ms is enough.
- `set_freshness` once a second; no call lets the age grow by itself.
- `drain(until)` starts the hand-over of everything; at `until` (grace period's last second; inf
  for a drain without an end) what found no successor is given up. `drain(None)` takes part again.
  `drained` says when nothing is answered for any more.
- `stalled` when the process stood still longer than `detection_s`: drop what the sockets have
  queued, then call it; the core falls silent and starts anew.
- `refresh_allowed`: whether the minutely refresh of gratuitous frames may go out at all.
- `resumable_claims` are to be stored by the driver (a file that does not outlive the kernel boot)
  and given as `claims` to the next process on the same kernel boot.
"""

from collections.abc import Callable, Iterable
from enum import Enum

from speaker.hello.packet import DropReason
from speaker.l2.actions import (
    Action,
    Announce,
    Answer,
    Link,
    Mac,
    ProbeStranger,
    Report,
    SeekLife,
    SendHello,
    Silence,
    Witness,
)
from speaker.l2.timing import FAST, STANDARD, Timing
from speaker.seam.messages import Address, AddressIntent, ExpectedNode, Identity

__all__ = [
    "FAST",
    "STANDARD",
    "Action",
    "AlonePolicy",
    "Announce",
    "Answer",
    "Link",
    "Mac",
    "ProbeStranger",
    "Report",
    "SeekLife",
    "Segment",
    "SendHello",
    "Silence",
    "Timing",
    "Witness",
]


class AlonePolicy(Enum):
    """What a node does with its addresses when it hears none of those it expects."""

    KEEP = "keep"
    YIELD = "yield"


class Segment:
    """Ownership of addresses on one NIC."""

    def __init__(
        self,
        *,
        interface: str,
        node: str,
        boot_id: int,
        timing: Timing,
        epoch_ms: int,
        jitter: Callable[[], float],
        now: float,
        claims: Iterable[Address] = (),
        alone: AlonePolicy = AlonePolicy.KEEP,
    ) -> None:
        """`epoch_ms` is unix time in ms at now = 0; `jitter` gives a float in [0, 1)."""
        raise NotImplementedError("the core of the segment is being built")

    def set_identity(self, identity: Identity, now: float) -> None:
        """Take the cluster's id and keys; the key with the highest id signs, all are accepted."""

    def set_link(self, link: Link, now: float) -> None:
        """Take the NIC's carrier, MAC and prefixes."""

    def set_intent(self, intent: AddressIntent, now: float) -> None:
        """Want this address here; replaces the earlier intent for it.

        `intent.interfaces` is the driver's business: it calls this only for a NIC that is meant,
        and `remove_intent` when it no longer is.
        """

    def remove_intent(self, address: Address, now: float) -> None:
        """Want the address no more: silent at once, no hand-over."""

    def set_expected(self, nodes: tuple[ExpectedNode, ...], now: float) -> None:
        """Know the other nodes with a speaker; those with an IP in the NIC's prefixes count."""

    def set_freshness(self, age_s: float, now: float) -> None:
        """Know how old the brain's view of the API is."""

    def drain(self, until: float | None, now: float) -> None:
        """Hand everything over; see the module's docstring."""

    def stalled(self, now: float) -> None:
        """Start anew after the process stood still."""

    def receive_hello(self, payload: bytes, source: Mac, now: float) -> DropReason | None:
        """Take a hello's UDP payload; return why it was dropped, None when it was used."""

    def receive_sighting(self, address: Address, mac: Mac, now: float) -> None:
        """Know that `mac` says it has the address."""

    def receive_life(self, now: float) -> None:
        """Know that another host on the segment sent a frame."""

    def handle_deadline(self, now: float) -> None:
        """Do what is due; long work is done in slices of a few ms."""

    def next_deadline(self) -> float | None:
        """Return when `handle_deadline` wants to be called; None is never."""

    def next_action(self) -> Action | None:
        """Return the next thing to do, once; None when there is no more."""

    @property
    def drained(self) -> bool:
        """Whether it answers for no address."""
        raise NotImplementedError("the core of the segment is being built")

    @property
    def refresh_allowed(self) -> bool:
        """Whether gratuitous refreshes may be sent: with a fresh echo or as sole candidate."""
        raise NotImplementedError("the core of the segment is being built")

    @property
    def watched_addresses(self) -> frozenset[Address]:
        """Addresses whose sightings matter: wanted ones and those that neighbours claim."""
        raise NotImplementedError("the core of the segment is being built")

    @property
    def resumable_claims(self) -> tuple[Address, ...]:
        """Addresses owned, for the next process on the same kernel boot."""
        raise NotImplementedError("the core of the segment is being built")

    @property
    def interval_s(self) -> float:
        """The hello interval in use, after the segment's cap."""
        raise NotImplementedError("the core of the segment is being built")
