"""The settings of who is let in."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from server.settings.declaring import secret, setting
from server.settings.values import (
    NamedGrant,
    absolute_path,
    issuer,
    named_grants,
    names,
    networks,
    nonempty,
    one_of,
    visible,
)

Auth = Literal["auto", "required", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """Who is let in, and how others than local users reach the service."""

    auth: Auth = setting(
        "auto",
        one_of("auto", "required", "off"),
        "who is let in: local users and whoever signs in (auto), only who signs in (required),"
        " or everybody (off); on addresses other than loopback auto is required",
    )
    local_users: tuple[NamedGrant, ...] = setting(
        (),
        named_grants,
        "further users of this host who need not sign in, with their roles, comma separated,"
        " such as alice=operator or bob=editor@deploy; the server's own is an admin",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        (),
        networks,
        "addresses or networks, comma separated, of proxies whose X-Forwarded-For and"
        " X-Forwarded-Proto are believed",
    )
    tls_certificate: Path | None = setting(
        None, absolute_path, "file with the certificate (PEM, with its chain) to serve https by"
    )
    tls_key: Path | None = setting(None, absolute_path, "file with that certificate's key (PEM)")
    metrics_token: str | None = secret(
        visible, "token by which a monitoring system reads /metrics, and nothing else"
    )
    metrics_token_file: Path | None = setting(
        None, absolute_path, "file that holds TAILRUN_METRICS_TOKEN, in its first line"
    )
    audit_log: Path | None = setting(
        None, absolute_path, "file to which the audit is also written, a line of JSON an act"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """Which provider of OpenID Connect people may sign in at, and what that gives them."""

    issuer: str | None = setting(
        None, issuer, "provider of OpenID Connect that people sign in at, by its URL; none: no such"
    )
    client_id: str | None = setting(None, nonempty, "what Tailrun is called at that provider")
    client_secret: str | None = secret(nonempty, "proves to that provider that it is Tailrun")
    client_secret_file: Path | None = setting(
        None, absolute_path, "file that holds TAILRUN_OIDC_CLIENT_SECRET, in its first line"
    )
    scopes: tuple[str, ...] = setting(
        ("openid", "profile", "email"), names, "what is asked of the provider, comma separated"
    )
    principal_claim: str = setting(
        "sub",
        nonempty,
        "claim that names a person; email counts only where the provider has verified it",
    )
    grants_claim: str = setting("groups", nonempty, "claim that TAILRUN_OIDC_GRANTS looks at")
    grants: tuple[NamedGrant, ...] = setting(
        (),
        named_grants,
        "what its values give, such as ops=operator@*,dev=editor@web; * is every value and none",
    )
