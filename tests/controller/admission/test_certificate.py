"""The webhook's certificate: made, judged, renewed in time, and trusted while replicas change."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from controller.admission.certificate import (
    AUTHORITIES,
    CERTIFICATE,
    KEY,
    LIFETIME,
    RENEW_BEFORE,
    SLACK,
    Flaw,
    Keys,
    Material,
    inspect,
    issue,
)
from controller.admission.trust import bundle_patch, host_of, secret_object
from kube.objects import ObjectName

HOST = host_of("metallb-system")
START = datetime(2026, 1, 1, tzinfo=UTC)


def keys() -> Keys:
    private = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    return Keys(private[0], private[1], (1, 2))


MADE = issue(HOST, keys(), START)
OTHER = issue(HOST, keys(), START)


def test_what_is_made_is_good_until_a_third_of_its_life_is_left() -> None:
    assert inspect(MADE.secret(), HOST, START) == (MADE, None)
    assert inspect(MADE.secret(), HOST, START - SLACK) == (MADE, None)
    end = START + LIFETIME
    assert MADE.expires == end
    second = timedelta(seconds=1)
    assert inspect(MADE.secret(), HOST, end - RENEW_BEFORE - second) == (MADE, None)
    assert inspect(MADE.secret(), HOST, end - RENEW_BEFORE) == (MADE, Flaw.EXPIRING)
    assert inspect(MADE.secret(), HOST, end - second) == (MADE, Flaw.EXPIRING)
    assert inspect(MADE.secret(), HOST, end) == (None, Flaw.EXPIRED)


def test_clock_before_the_certificate_makes_a_new_one() -> None:
    assert inspect(MADE.secret(), HOST, START - 2 * SLACK) == (None, Flaw.EXPIRED)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        pytest.param({KEY: b""}, Flaw.MISSING, id="empty"),
        pytest.param({KEY: b"junk"}, Flaw.UNREADABLE, id="junk key"),
        pytest.param({CERTIFICATE: b"junk"}, Flaw.UNREADABLE, id="junk certificate"),
        pytest.param({AUTHORITIES: b"junk"}, Flaw.UNREADABLE, id="junk authority"),
        pytest.param({KEY: OTHER.key}, Flaw.FOREIGN, id="another's key"),
        pytest.param({AUTHORITIES: OTHER.authorities}, Flaw.FOREIGN, id="another authority"),
        pytest.param(
            issue("herald-webhook.elsewhere.svc", keys(), START).secret(), Flaw.FOREIGN, id="host"
        ),
    ],
)
def test_secret_that_is_not_right_gives_nothing_to_serve(
    change: dict[str, bytes], flaw: Flaw
) -> None:
    assert inspect(MADE.secret() | change, HOST, START) == (None, flaw)
    assert inspect({}, HOST, START) == (None, Flaw.MISSING)


def test_authority_before_is_trusted_beside_the_new_one_and_no_older() -> None:
    second = issue(HOST, keys(), START, MADE)
    third = issue(HOST, keys(), START, second)
    assert inspect(second.secret(), HOST, START) == (second, None)
    assert second.authorities.endswith(MADE.authorities)
    assert len(x509.load_pem_x509_certificates(third.authorities)) == 2
    assert MADE.authorities not in third.authorities


def test_material_never_shows_its_key() -> None:
    assert "PRIVATE" not in repr(MADE)


def test_secret_replaces_only_the_version_that_was_read() -> None:
    name = ObjectName("metallb-system", "herald-webhook-cert")
    assert "resourceVersion" not in secret_object(name, MADE.secret())["metadata"]
    body = secret_object(name, MADE.secret(), "7")
    assert body["metadata"]["resourceVersion"] == "7"
    assert base64.b64decode(body["data"][KEY]) == MADE.key


def bundle(material: Material) -> str:
    return base64.b64encode(material.authorities).decode()


def test_bundle_is_written_only_where_it_differs() -> None:
    right = {"name": "a.herald.io", "clientConfig": {"caBundle": bundle(MADE)}}
    wrong = {"name": "b.herald.io", "clientConfig": {"caBundle": bundle(OTHER)}}
    new = {"name": "c.herald.io", "clientConfig": {}}
    assert bundle_patch({"webhooks": [right]}, MADE.authorities) is None
    assert bundle_patch({}, MADE.authorities) is None
    assert bundle_patch({"webhooks": [right, wrong, new]}, MADE.authorities) == {
        "webhooks": [
            {"name": "b.herald.io", "clientConfig": {"caBundle": bundle(MADE)}},
            {"name": "c.herald.io", "clientConfig": {"caBundle": bundle(MADE)}},
        ]
    }
