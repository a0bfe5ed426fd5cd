"""What the tests of the command share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.herald.clusters import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A healthy cluster of two nodes."""
    made = Cluster(tmp_path)
    yield made
    made.close()
