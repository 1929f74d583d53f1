"""What a provider says of itself (OpenID Connect Discovery 1.0, section 3). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from server.services.access.oidc.failures import refused
from server.settings.values import LOOPBACK_HOSTS

BASIC, POST = "client_secret_basic", "client_secret_post"


@dataclass(frozen=True, slots=True)
class Description:
    """Where a provider is asked for what."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    authentication: str
    """How we show the secret: one of BASIC, POST."""

    names_itself: bool
    """Whether its answers name it (RFC 9207)."""

    @classmethod
    def of(cls, issuer: str, said: Mapping[str, Any]) -> "Description":
        """Read a provider's description.

        Raises:
            SignInFailedError: it is another's, or it lacks something.
        """
        if said.get("issuer") != issuer:
            raise refused(f"it calls itself {said.get('issuer')!r}, and not {issuer!r}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            _check_url(name, said.get(name), issuer)
        userinfo = said.get("userinfo_endpoint")
        if userinfo is not None:
            _check_url("userinfo_endpoint", userinfo, issuer)
        methods = said.get("token_endpoint_auth_methods_supported")
        takes_post_alone = isinstance(methods, list) and POST in methods and BASIC not in methods
        return cls(
            authorization=said["authorization_endpoint"],
            token=said["token_endpoint"],
            keys=said["jwks_uri"],
            userinfo=userinfo,
            authentication=POST if takes_post_alone else BASIC,
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
        )


def _check_url(name: str, url: object, issuer: str) -> None:
    """Refuse what is no URL, or not asked over TLS although the provider is."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    if parts is not None and parts.hostname:
        plain_is_fine = issuer.startswith("http:") and parts.hostname in LOOPBACK_HOSTS
        if parts.scheme == "https" or (parts.scheme == "http" and plain_is_fine):
            return
    raise refused(f"its {name} is {url!r}, which is no URL of https")
