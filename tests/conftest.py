"""What all tests share: a collector that does not walk two thousand collected tests again."""

import gc


def pytest_collection_finish() -> None:
    """Leave what was collected out of later passes: it stays until the end anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
