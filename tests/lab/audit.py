"""What Herald's accounts asked of a real API server, from its audit log as it grows."""

import json
from collections.abc import Iterator
from typing import Any

from netns_lab.lab import Lab

ACCOUNTS = "system:serviceaccount:metallb-system:herald-"


def audit(lab: Lab) -> Iterator[dict[str, Any]]:
    """Give an entry for each answered request; a last line that is half there is left out.

    An entry may come a moment after the answer. Who was not recognised has no name in it.
    """
    text = (lab.state.plane / "audit.log").read_text()
    for line in text[: text.rfind("\n") + 1].splitlines():
        entry = json.loads(line)
        if entry["user"].get("username", "").startswith(ACCOUNTS):
            yield entry
