"""One BFD session: RFC 5880 in asynchronous mode, without authentication and without echo.

The model
    The driver gives each packet that `table` found to be for this session, and the time; it takes
    the packets due, and comes back at `next_deadline`. The variables keep RFC 5880 6.8.1's names
    without their prefix (`state` is bfd.SessionState, `remote_min_rx_us` bfd.RemoteMinRxInterval).

Invariants
    * While the session isn't Up nothing is promised faster than one packet a second (6.8.3).
    * At most one Final, and one other packet, wait to be sent, however many packets came in: a
      flood of Polls between two turns of the loop makes one answer.
    * A slower transmit interval, or a faster receive interval, counts only after the neighbour's
      Final has confirmed it (6.8.3): until then it may still expect the old one.
    * Our own AdminDown ends only by `enable`.

Choices
    * A change of state is sent at once, not at the next interval (6.8.7 allows it): the neighbour
      withdraws us a detection time earlier.
    * `failure` is the reason for which the session isn't Up though it was, until it is Up again;
      NONE for one that never was, and when the neighbour says that it left on purpose (RFC 5882
      3.2). So a reader who comes late knows whether the path is bad.
    * When the neighbour fell silent its discriminator is forgotten (6.8.1), and its other values go
      back to their initial ones, so that its restart finds us as new.

Time is loop seconds in floats. Intervals are integers in microseconds, as on the wire.
"""

from collections.abc import Callable
from dataclasses import dataclass

from speaker.bfd.packet import ControlPacket, Diagnostic, DropReason, State
from speaker.bfd.timers import (
    SLOW_TX_US,
    detection_time_s,
    jittered_s,
    transmit_interval_us,
)

TRANSITIONS: dict[tuple[State, State], tuple[State, Diagnostic]] = {
    # (ours, received): RFC 5880 6.8.6; what isn't here changes nothing
    (State.DOWN, State.DOWN): (State.INIT, Diagnostic.NONE),
    (State.DOWN, State.INIT): (State.UP, Diagnostic.NONE),
    (State.INIT, State.ADMIN_DOWN): (State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN),
    (State.INIT, State.INIT): (State.UP, Diagnostic.NONE),
    (State.INIT, State.UP): (State.UP, Diagnostic.NONE),
    (State.UP, State.ADMIN_DOWN): (State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN),
    (State.UP, State.DOWN): (State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN),
}


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What is wanted of a session while it is Up."""

    desired_min_tx_us: int = 300_000
    required_min_rx_us: int = 300_000
    detect_multiplier: int = 3
    passive: bool = False


class Session:
    """One session; `jitter` returns a fresh number from 0 to 1 at each call."""

    def __init__(
        self, *, discriminator: int, config: SessionConfig, jitter: Callable[[], float], now: float
    ) -> None:
        self.state = State.DOWN
        self.diagnostic = Diagnostic.NONE
        self.failure = Diagnostic.NONE
        self.local_discriminator = discriminator
        self._config = config
        self._jitter = jitter
        self._shortened = jitter()
        self.desired_min_tx_us = max(config.desired_min_tx_us, SLOW_TX_US)
        self.required_min_rx_us = config.required_min_rx_us
        self._tx_in_use_us = self.desired_min_tx_us
        self._rx_in_use_us = self.required_min_rx_us
        self._polling = False
        self._poll_again = False
        self._final_due = False
        self._packet_due = False
        self._last_sent_s: float | None = None
        self._transmit_at: float | None = None
        self._detect_at: float | None = None
        self._last_heard_s = now
        self._forget_remote()
        self._schedule(now)

    def _forget_remote(self) -> None:
        # RFC 5880 6.8.1: initial values
        self.remote_state = State.DOWN
        self.remote_discriminator = 0
        self.remote_min_rx_us = 1
        self._remote_desired_min_tx_us = 0
        self._remote_detect_multiplier = 0
        self._remote_demand = False

    @property
    def detection_time_s(self) -> float:
        """How long the neighbour may be silent; 0 before anything was heard of it."""
        return detection_time_s(
            self._remote_detect_multiplier, self._rx_in_use_us, self._remote_desired_min_tx_us
        )

    @property
    def transmit_interval_us(self) -> int:
        """The interval between our packets before jitter."""
        return transmit_interval_us(self._tx_in_use_us, self.remote_min_rx_us)

    # -- the verbs

    def receive(self, packet: ControlPacket, now: float) -> DropReason | None:
        """Take a packet that is for this session; return why it was discarded, if it was."""
        if packet.authenticated:
            return DropReason.AUTHENTICATED  # 6.8.6: the A bit is set and no authentication is used
        self.remote_discriminator = packet.my_discriminator
        self.remote_state = packet.state
        self.remote_min_rx_us = packet.required_min_rx_us
        self._remote_desired_min_tx_us = packet.desired_min_tx_us
        self._remote_detect_multiplier = packet.detect_multiplier
        self._remote_demand = packet.demand
        if packet.final and self._polling:
            self._poll_ended()
        if self.state is State.ADMIN_DOWN:
            return DropReason.ADMIN_DOWN
        self._last_heard_s = now
        if packet.state is State.ADMIN_DOWN:
            self.failure = Diagnostic.NONE
        change = TRANSITIONS.get((self.state, packet.state))
        if change is not None:
            self._enter(*change)
        if packet.poll:
            self._final_due = True
        self._detect_at = now + self.detection_time_s
        self._schedule(now)
        return None

    def packets_to_send(self, now: float) -> list[ControlPacket]:
        """Return what is due, each packet once."""
        due = []
        if self._final_due:
            due.append(self._packet(final=True))
        if self._packet_due and not (self._final_due and not self._polling):
            due.append(self._packet(final=False))  # else the Final has said it all
        if due:
            self._final_due = self._packet_due = False
            self._last_sent_s = now
            self._shortened = self._jitter()
            self._transmit_at = None
            self._schedule(now)
        return due

    def next_deadline(self) -> float | None:
        """Return when `handle_deadline` wants to be called; None: never."""
        deadlines = [at for at in (self._transmit_at, self._detect_at) if at is not None]
        return min(deadlines, default=None)

    def handle_deadline(self, now: float) -> None:
        """Declare the neighbour down, or a packet due, or both."""
        if self._detect_at is not None and now >= self._detect_at:
            self._detect_at = None
            left_on_purpose = self.remote_state is State.ADMIN_DOWN
            self._forget_remote()
            if left_on_purpose:
                self.remote_state = State.ADMIN_DOWN
            if self.state in (State.INIT, State.UP):  # 6.8.4
                self._enter(State.DOWN, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED)
            self._schedule(now)
        if self._transmit_at is not None and now >= self._transmit_at:
            self._transmit_at = None
            self._packet_due = True

    # -- what the operator wants

    def configure(self, config: SessionConfig, now: float) -> None:
        """Change the wanted values; those of a session that is Up are negotiated by a Poll."""
        self._config = config
        self._set_intervals()
        self._schedule(now)

    def disable(self, now: float) -> None:
        """Enter AdminDown, and tell the neighbour (RFC 5880 6.8.16)."""
        if self.state is not State.ADMIN_DOWN:
            self._enter(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN)
            self._detect_at = None
            self._schedule(now)

    def enable(self, now: float) -> None:
        """Leave AdminDown."""
        if self.state is State.ADMIN_DOWN:
            self._enter(State.DOWN, Diagnostic.NONE)
            self._schedule(now)

    # -- inside

    def _enter(self, state: State, diagnostic: Diagnostic) -> None:
        self.failure = self._failure_in(state, diagnostic)
        self.state = state
        if diagnostic or state is not State.INIT:  # what failed is said until we are Up
            self.diagnostic = diagnostic
        self._packet_due = self._may_transmit()
        if state is not State.UP:
            self._polling = self._poll_again = False
        self._set_intervals()

    def _failure_in(self, state: State, diagnostic: Diagnostic) -> Diagnostic:
        if state in (State.UP, State.ADMIN_DOWN) or self.remote_state is State.ADMIN_DOWN:
            return Diagnostic.NONE
        return diagnostic if self.state is State.UP else self.failure

    def _set_intervals(self) -> None:
        up = self.state is State.UP
        desired_us = self._config.desired_min_tx_us
        desired_us = desired_us if up else max(desired_us, SLOW_TX_US)
        required_us = self._config.required_min_rx_us
        changed = (desired_us, required_us) != (self.desired_min_tx_us, self.required_min_rx_us)
        self.desired_min_tx_us, self.required_min_rx_us = desired_us, required_us
        # 6.8.3: what makes us slower, or expect the neighbour faster, waits for its Final
        if not up or desired_us < self._tx_in_use_us:
            self._tx_in_use_us = desired_us
        if not up or required_us > self._rx_in_use_us:
            self._rx_in_use_us = required_us
        if up and changed:
            self._poll_again = self._polling
            self._polling = self._packet_due = True

    def _poll_ended(self) -> None:
        if self._poll_again:  # the Final may answer a packet with the values before the last change
            self._poll_again = False
            self._packet_due = True
            return
        self._polling = False
        self._tx_in_use_us = self.desired_min_tx_us
        self._rx_in_use_us = self.required_min_rx_us

    def _may_transmit(self) -> bool:
        # 6.8.7, in its order
        if self._config.passive and self.remote_discriminator == 0:
            return False
        if self.remote_min_rx_us == 0:
            return False
        both_up = self.state is State.UP and self.remote_state is State.UP
        return not (self._remote_demand and both_up and not self._polling)

    def _schedule(self, now: float) -> None:
        """Set the time of the next periodic packet, earlier or later as the interval has become."""
        if not self._may_transmit():
            self._transmit_at = None
            return
        wait_s = jittered_s(
            self.transmit_interval_us, self._config.detect_multiplier, self._shortened
        )
        if self._last_sent_s is None:
            self._transmit_at = now + wait_s if self._transmit_at is None else self._transmit_at
        else:
            self._transmit_at = max(now, self._last_sent_s + wait_s)

    def _packet(self, *, final: bool) -> ControlPacket:
        return ControlPacket(
            state=self.state,
            diagnostic=self.diagnostic,
            detect_multiplier=self._config.detect_multiplier,
            my_discriminator=self.local_discriminator,
            your_discriminator=self.remote_discriminator,
            desired_min_tx_us=self.desired_min_tx_us,
            required_min_rx_us=self.required_min_rx_us,
            poll=self._polling and not final,  # 6.5: never both
            final=final,
        )
