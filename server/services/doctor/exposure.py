"""Who can reach the service, and whom it lets in: the address, authentication, TLS, proxies."""

import ipaddress
import ssl
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from server.services.doctor.files import OTHERS
from server.services.doctor.findings import Finding, Level
from server.settings.access import AccessSettings
from server.settings.groups import HttpSettings

ADDRESS, AUTHENTICATION, TLS, PROXIES = "address", "authentication", "TLS", "trusted proxies"
SOON = timedelta(days=21)
"""Before its end a certificate is to be renewed; Let's Encrypt's are, 30 days before."""


def is_loopback(host: str) -> bool:
    """Return whether only this host reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(http: HttpSettings, access: AccessSettings) -> Iterator[Finding]:
    """Look at where the service listens, and whether what goes there can be read on its way."""
    if is_loopback(http.host):
        yield Finding(ADDRESS, Level.OK, f"{http.host} is reached from this host alone")
    elif access.tls_certificate is not None:
        yield Finding(ADDRESS, Level.OK, f"{http.host} is open to the network, over TLS")
    elif access.trusted_proxies and access.auth != "off":
        yield Finding(
            ADDRESS,
            Level.WARNING,
            f"{http.host} is open to the network without TLS: see that only TAILRUN_TRUSTED_PROXIES"
            " reach it, by a firewall, and over a network that nobody reads",
        )
    else:
        yield Finding(
            ADDRESS,
            Level.PROBLEM,
            f"{http.host} is open to the network without TLS. Listen on 127.0.0.1 behind a proxy,"
            " or set TAILRUN_TLS_CERTIFICATE and TAILRUN_TLS_KEY",
        )


def authentication(http: HttpSettings, access: AccessSettings) -> Iterator[Finding]:
    """Look at whether people sign in."""
    is_off = access.auth == "off" or http.insecure_no_auth
    if is_off:
        here = is_loopback(http.host)
        who = "every user of this host" if here else "whoever reaches the address"
        yield Finding(
            AUTHENTICATION,
            Level.PROBLEM,
            f"it is off: {who} may run commands. Set TAILRUN_AUTH to auto or required",
        )
    elif access.auth == "required" or not is_loopback(http.host):
        yield Finding(AUTHENTICATION, Level.OK, "everybody signs in")
    else:
        names = ", ".join(f"{one.name}={one.role}@{one.group}" for one in access.local_users)
        more = f", and {names}," if names else ""
        text = f"the server's own user{more} need not sign in on this host; everybody else does"
        yield Finding(AUTHENTICATION, Level.OK, text)


def proxies(access: AccessSettings) -> Iterator[Finding]:
    """Look at which proxies are believed in what they say of a client's address."""
    wide = [str(one) for one in access.trusted_proxies if one.prefixlen == 0]
    if wide:
        yield Finding(
            PROXIES,
            Level.PROBLEM,
            f"{', '.join(wide)} is everybody: whoever connects may name any address, and so guess"
            " without a bound. Name the proxies' own addresses",
        )
    else:
        named = ", ".join(map(str, access.trusted_proxies)) or "none"
        yield Finding(PROXIES, Level.OK, named)


def tls(access: AccessSettings, now: datetime | None = None) -> Iterator[Finding]:
    """Look at the certificate and its key: they are readable, belong together, and are not over."""
    certificate, key = access.tls_certificate, access.tls_key
    if certificate is None or key is None:
        yield Finding(TLS, Level.OK, "not ended here")
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        [found, *_] = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        text = f"{certificate} and {key} cannot be used: {error}"
        yield Finding(TLS, Level.PROBLEM, text)
        return
    yield _key(key)
    yield _lifetime(found, now or datetime.now(UTC))


def _key(key: Path) -> Finding:
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & OTHERS & ~stat.S_IRGRP:  # certbot and others hand keys to a group
        text = f"{key} has the mode {mode:04o}, open to others. chmod o= {key}"
        return Finding(TLS, Level.PROBLEM, text)
    return Finding(TLS, Level.OK, f"the key {key} is closed to others")


def _lifetime(certificate: x509.Certificate, now: datetime) -> Finding:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= ends or now < begins:
        text = f"the certificate is good from {begins:%F} to {ends:%F}, and not now. Renew it"
        return Finding(TLS, Level.PROBLEM, text)
    level = Level.WARNING if ends - now < SOON else Level.OK
    return Finding(TLS, level, f"the certificate is good until {ends:%F}")
