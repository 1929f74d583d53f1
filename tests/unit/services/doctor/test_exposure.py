"""The doctor looks at who can reach the service, and whom it lets in."""

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.access import Role
from server.services.doctor.exposure import address, authentication, proxies, tls
from server.services.doctor.findings import Finding, Level
from server.settings.access import AccessSettings
from server.settings.groups import HttpSettings
from server.settings.values import NamedGrant

HERE, OPEN = HttpSettings(), HttpSettings(host="0.0.0.0")  # noqa: S104  nothing is bound to it
AUTO = AccessSettings()
PROXY = ipaddress.ip_network("10.0.0.7")
CERTIFICATE = Path("/certificate.pem")


def only(found: Iterator[Finding]) -> tuple[Level, str]:
    [one] = found
    return one.level, one.text


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_loopback_is_reached_from_here_alone(host: str) -> None:
    level, text = only(address(replace(HERE, host=host), AUTO))
    assert level is Level.OK
    assert text.endswith("is reached from this host alone")


@pytest.mark.parametrize(
    ("access", "level", "says"),
    [
        (AUTO, Level.PROBLEM, "without TLS"),
        (replace(AUTO, tls_certificate=CERTIFICATE), Level.OK, "over TLS"),
        (replace(AUTO, trusted_proxies=(PROXY,)), Level.WARNING, "by a firewall"),
        (replace(AUTO, trusted_proxies=(PROXY,), auth="off"), Level.PROBLEM, "without TLS"),
    ],
)
def test_an_open_address_needs_tls(access: AccessSettings, level: Level, says: str) -> None:
    found, text = only(address(OPEN, access))
    assert found is level
    assert says in text


@pytest.mark.parametrize(
    ("http", "access", "level", "says"),
    [
        (HERE, AUTO, Level.OK, "the server's own user need not sign in"),
        (
            HERE,
            replace(AUTO, local_users=(NamedGrant("bob", Role.EDITOR, "web"),)),
            Level.OK,
            "own user, and bob=editor@web, need not",
        ),
        (HERE, replace(AUTO, auth="required"), Level.OK, "everybody signs in"),
        (OPEN, AUTO, Level.OK, "everybody signs in"),
        (HERE, replace(AUTO, auth="off"), Level.PROBLEM, "every user of this host may run"),
        (OPEN, replace(AUTO, auth="off"), Level.PROBLEM, "whoever reaches the address may run"),
    ],
)
def test_authentication_that_is_off_is_a_problem(
    http: HttpSettings, access: AccessSettings, level: Level, says: str
) -> None:
    found, text = only(authentication(http, access))
    assert found is level
    assert says in text


def test_proxies_that_are_everybody_are_a_problem() -> None:
    assert only(proxies(AUTO)) == (Level.OK, "none")
    assert only(proxies(replace(AUTO, trusted_proxies=(PROXY,)))) == (Level.OK, "10.0.0.7/32")
    for wide in ("0.0.0.0/0", "::/0"):
        networks = (PROXY, ipaddress.ip_network(wide))
        level, text = only(proxies(replace(AUTO, trusted_proxies=networks)))
        assert level is Level.PROBLEM
        assert text.startswith(f"{wide} is everybody")


NOW = datetime(2030, 1, 31, tzinfo=UTC)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[int], AccessSettings]:
    """Return what makes a certificate that ends so many days from NOW, and its key."""

    def make(days: int) -> AccessSettings:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "runs.example.org")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(NOW - timedelta(days=30))
            .not_valid_after(NOW + timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        settings = AccessSettings(
            tls_certificate=tmp_path / "certificate.pem", tls_key=tmp_path / "key.pem"
        )
        assert settings.tls_certificate is not None
        assert settings.tls_key is not None
        pem = serialization.Encoding.PEM
        settings.tls_certificate.write_bytes(certificate.public_bytes(pem))
        settings.tls_key.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        settings.tls_key.chmod(0o600)
        return settings

    return make


@pytest.mark.parametrize(
    ("days", "level", "says"),
    [
        (60, Level.OK, "is good until 2030-04-01"),
        (20, Level.WARNING, "is good until 2030-02-20"),
        (-1, Level.PROBLEM, "and not now"),
        (0, Level.PROBLEM, "and not now"),
    ],
)
def test_a_certificate_that_ends_is_told_in_time(
    make: Callable[[int], AccessSettings], days: int, level: Level, says: str
) -> None:
    key, lifetime = tls(make(days), NOW)
    assert key.level is Level.OK
    assert lifetime.level is level
    assert says in lifetime.text


def test_a_certificate_that_is_not_good_yet_is_a_problem(
    make: Callable[[int], AccessSettings],
) -> None:
    _, lifetime = tls(make(60), NOW - timedelta(days=31))
    assert lifetime.level is Level.PROBLEM


def test_a_key_that_others_can_read_is_a_problem(make: Callable[[int], AccessSettings]) -> None:
    settings = make(60)
    assert settings.tls_key is not None
    settings.tls_key.chmod(0o640)  # of a group, as certbot has it
    assert [one.level for one in tls(settings, NOW)] == [Level.OK] * 2
    for mode in (0o644, 0o660):
        settings.tls_key.chmod(mode)
        key, _ = tls(settings, NOW)
        assert (key.level, f"the mode {mode:04o}" in key.text) == (Level.PROBLEM, True)


def test_a_certificate_that_cannot_be_used_is_a_problem(
    make: Callable[[int], AccessSettings], tmp_path: Path
) -> None:
    settings, other = make(60), tmp_path / "other.pem"
    assert settings.tls_key is not None
    other.write_bytes(settings.tls_key.read_bytes())
    make(60)
    for key in (other, tmp_path / "missing", tmp_path):
        level, text = only(tls(replace(settings, tls_key=key), NOW))
        assert level is Level.PROBLEM
        assert "cannot be used" in text
    assert only(tls(AUTO)) == (Level.OK, "not ended here")
