"""What all tests share: less waiting, since the unit tests are there to be run all the time."""

import gc
import os


def pytest_configure() -> None:
    """Load no authorities of the machine: tests talk to loopback and bring their own.

    Each client's TLS context would otherwise read them all, 22 ms a time.
    """
    os.environ["SSL_CERT_FILE"] = os.devnull
    os.environ["SSL_CERT_DIR"] = os.devnull


def pytest_collection_finish() -> None:
    """Leave what was collected out of the collector's passes: it stays until the end anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
