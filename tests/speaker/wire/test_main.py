import asyncio
from pathlib import Path

import pytest

from speaker.l2.segment import FAST, STANDARD, AlonePolicy
from speaker.wire.main import first_fault, parse_flags

NEEDED = ["--node-name", "node1", "--socket-dir", "/run/herald"]


def test_the_flags_of_the_documentation_are_taken() -> None:
    flags = parse_flags(
        [
            *NEEDED,
            "--profile=fast",
            "--segment-expects-policy=yield",
            "--grace-s=4",
            "--health-port=0",
            "--realtime",
        ]
    )

    assert (flags.config.node, flags.config.socket_dir) == ("node1", Path("/run/herald"))
    assert (flags.config.timing, flags.config.alone) == (FAST, AlonePolicy.YIELD)
    assert (flags.grace_s, flags.health_port, flags.realtime) == (4.0, 0, True)


def test_what_is_not_said_is_as_documented() -> None:
    flags = parse_flags(NEEDED)

    assert (flags.config.timing, flags.config.alone) == (STANDARD, AlonePolicy.KEEP)
    assert (flags.health_port, flags.realtime, flags.log_level) == (17474, False, "info")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--profile=warp"],
        ["--segment-expects-policy=perhaps"],
        ["--grace-s=soon"],
        ["--log-level=loud"],
        ["--colour"],
    ],
)
def test_wrong_use_exits_with_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_flags([*NEEDED, *wrong])
    assert wrong[0].partition("=")[0] in capsys.readouterr().err


def test_a_node_name_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_flags(["--socket-dir", "/run/herald"])
    assert "--node-name" in capsys.readouterr().err


async def test_an_exception_in_a_callback_of_the_loop_is_not_survived() -> None:
    broken = first_fault()
    asyncio.get_running_loop().call_soon(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        await broken
