from speaker.hello.packet import DropReason
from speaker.l2.ethernet import FrameDrop
from speaker.wire.counters import interface_counters, labelled


def test_a_nics_counters_are_named_and_labelled() -> None:
    made = dict(
        interface_counters("lan0", {"hellos_sent": 3}, {FrameDrop.TTL: 2, DropReason.BAD_HMAC: 1})
    )

    assert made == {
        "herald_wire_hellos_sent:interface=lan0": 3,
        "herald_wire_dropped:interface=lan0,part=frame,reason=ttl": 2,
        "herald_wire_dropped:interface=lan0,part=hello,reason=bad-hmac": 1,
    }


def test_values_become_labels() -> None:
    assert dict(labelled("failures", "what", {"open": 1})) == {"herald_wire_failures:what=open": 1}
