"""The arithmetic of BFD's timers: intervals in microseconds, durations on the loop in seconds.

RFC 5880 6.8.2 to 6.8.4, 6.8.7.
"""

SLOW_TX_US = 1_000_000
"RFC 5880 6.8.3: DesiredMinTxInterval is at least one second while the session isn't Up."

US = 1e-6
"Seconds in a microsecond."


def transmit_interval_us(desired_min_tx_us: int, remote_min_rx_us: int) -> int:
    """Return the interval between our packets before jitter."""
    return max(desired_min_tx_us, remote_min_rx_us)


def jittered_s(interval_us: int, detect_multiplier: int, jitter: float) -> float:
    """Shorten an interval by the share that `jitter` (0 to 1) picks.

    RFC 5880 6.8.7: by up to 25 %; with a multiplier of 1 between 10 % and 25 %, since otherwise
    one late packet would be a failure.
    """
    least = 0.10 if detect_multiplier == 1 else 0.0
    return interval_us * US * (1.0 - least - (0.25 - least) * jitter)


def detection_time_s(
    remote_detect_multiplier: int, required_min_rx_us: int, remote_desired_min_tx_us: int
) -> float:
    """Return how long the neighbour may be silent (asynchronous mode)."""
    # RFC 5880 6.8.4: the greater of the two intervals, times the *remote* multiplier
    agreed_us = max(required_min_rx_us, remote_desired_min_tx_us)
    return remote_detect_multiplier * agreed_us * US
