"""Writes the claims soon after they changed, and reads those of the process before.

The file is overwritten in place by one `pwrite`: a rename or a truncation makes some file systems
wait for the disk, which would cost the protocol's timers theirs. A kernel that crashes in between
may tear it, but then its boot id has changed too.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from speaker.seam.messages import Address
from speaker.wire.resume import decode_claims, encode_claims

LOG = logging.getLogger(__name__)

KERNEL_BOOT = Path("/proc/sys/kernel/random/boot_id")
SAVE_AFTER_S = 0.05
SAVE_SPACING_S = 0.5
"""Thousands of claims take ms to write."""

Claims = Mapping[str, tuple[Address, ...]]


class ClaimsFile:
    """The claims by NIC. Construct inside the loop; without a folder to write in it only counts."""

    def __init__(self, path: Path, claims: Callable[[], Claims]) -> None:
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._claims = claims
        self._kernel_boot = KERNEL_BOOT.read_text().strip()
        self._written = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.failures: Counter[str] = Counter()

    def read(self) -> Claims:
        """Return what the process before left; nothing after a reboot."""
        try:
            return decode_claims(self._path.read_text(), self._kernel_boot)
        except (OSError, UnicodeDecodeError):
            return {}

    def changed(self) -> None:
        """Write soon."""
        if self._timer is None:
            at = max(self._loop.time() + SAVE_AFTER_S, self._written + SAVE_SPACING_S)
            self._timer = self._loop.call_at(at, self._write)

    def close(self) -> None:
        """Write no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _write(self) -> None:
        self._timer, self._written = None, self._loop.time()
        text = encode_claims(self._kernel_boot, self._claims())
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(file, text.encode(), 0)
            finally:
                os.close(file)
        except OSError as error:
            self.failures["save-claims"] += 1
            LOG.debug("claims-not-saved", extra={"fields": {"why": str(error)}})
