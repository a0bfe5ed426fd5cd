"""An interpreter of classic BPF, strict as the kernel's: the judge of `speaker.l2.filter`."""

from collections.abc import Callable

from speaker.l2.filter import Instruction, Program

LOADS = {0x20: 4, 0x28: 2, 0x30: 1}
PACKET_TYPE = 0xFFFFF004
JUMPS: dict[int, Callable[[int, int], bool]] = {
    0x15: lambda a, k: a == k,
    0x25: lambda a, k: a > k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: bool(a & k),
}


def check(program: Program) -> None:
    """Fail for what the kernel would refuse: length, jump widths, running off the end."""
    assert 0 < len(program) <= 4096
    assert program[-1].code == 0x06
    for at, each in enumerate(program):
        assert 0 <= each.if_true <= 255
        assert 0 <= each.if_false <= 255
        assert 0 <= each.operand < 1 << 32
        if each.code in JUMPS:
            assert at + 1 + max(each.if_true, each.if_false) < len(program)
        if each.code == 0x05:
            assert at + 1 + each.operand < len(program)


def steps(program: Program, frame: bytes, packet_type: int = 0) -> tuple[bool, int]:
    """Run the program on a frame; return whether it passes and how many instructions that took.

    `packet_type` is the kernel's: 0 for this host, 1 broadcast, 2 multicast, 3 another host.
    """
    a = x = at = count = 0
    while True:
        each = program[at]
        at += 1
        count += 1
        if each.code == 0x06:
            return each.operand > 0, count
        if each.code == 0x05:
            at += each.operand
        elif each.code in JUMPS:
            at += each.if_true if JUMPS[each.code](a, each.operand) else each.if_false
        else:
            loaded = packet_type if each.operand == PACKET_TYPE else _load(each, frame, x)
            if loaded is None:  # the kernel drops a frame that is too short for a load
                return False, count
            if each.code == 0xB1:
                x = loaded
            else:
                a = loaded


def passes(program: Program, frame: bytes, packet_type: int = 0) -> bool:
    """Tell whether the program lets the frame in."""
    check(program)
    return steps(program, frame, packet_type)[0]


def _load(each: Instruction, frame: bytes, x: int) -> int | None:
    if each.code == 0xB1:
        return (frame[each.operand] & 0xF) * 4 if each.operand < len(frame) else None
    indexed = each.code == 0x48
    size = 2 if indexed else LOADS[each.code]
    start = each.operand + (x if indexed else 0)
    return (
        int.from_bytes(frame[start : start + size], "big") if start + size <= len(frame) else None
    )
