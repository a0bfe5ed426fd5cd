from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.wire.resume import decode_claims, encode_claims

CLAIMS = {"lan0": (ip_address("192.168.4.10"), ip_address("fd00:4::10"))}


def test_claims_are_read_back_on_the_same_kernel_boot() -> None:
    assert decode_claims(encode_claims("boot-1", CLAIMS | {"mgmt0": ()}), "boot-1") == CLAIMS


def test_what_an_earlier_longer_text_left_behind_is_not_read() -> None:
    text = encode_claims("b", CLAIMS)
    shorter = encode_claims("b", {})

    assert decode_claims(shorter + text[len(shorter) :], "b") == {}
    assert decode_claims(text + "rest", "b") == CLAIMS


def test_claims_of_another_boot_are_worth_nothing() -> None:
    assert decode_claims(encode_claims("boot-1", CLAIMS), "boot-2") == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"boot":"b"}\n',
        '{"boot":"b","claims":[]}\n',
        '{"boot":"b","claims":{"lan0":["x"]}}\n',
        '{"boot":"b","claims":{"lan0":5}}\n',
        "\x00",
    ],
)
def test_junk_is_worth_nothing(text: str) -> None:
    assert decode_claims(text, "b") == {}


def test_every_truncation_is_worth_nothing() -> None:
    text = encode_claims("b", CLAIMS)

    assert all(decode_claims(text[:length], "b") == {} for length in range(len(text)))


@given(st.text(max_size=40))
@settings(max_examples=40)
def test_random_text_never_raises(text: str) -> None:
    assert decode_claims(text, "b") == {}
