"""The embedded server answers a long trace of requests as the real one did.

`trace_answers.jsonl` has the answers of kube-apiserver, one a line; the lab test of the real
control plane replays the same trace there and writes the file anew when asked.
"""

import json
from itertools import zip_longest
from pathlib import Path

import yaml

from netns_lab.control_plane.replay import replay
from tests.netns_lab.control_plane.clients import plane

HERE = Path(__file__).parent


async def test_every_answer_is_as_the_real_server_gave_it() -> None:
    steps = yaml.load((HERE / "trace.yaml").read_text(), yaml.CSafeLoader)
    recorded = [json.loads(x) for x in (HERE / "trace_answers.jsonl").read_text().splitlines()]
    async with plane() as p:
        answers = await replay(p.session, steps)

    for expected, given in zip_longest(recorded, answers):
        assert given == expected, given["step"]
