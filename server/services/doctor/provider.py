"""The provider of OpenID Connect: whether it answers, and to whom it gives what."""

from collections.abc import Awaitable, Callable, Iterator

from server.access import Role
from server.services.access.oidc.claims import ANY_VALUE
from server.services.access.oidc.failures import SignInFailedError
from server.services.doctor.findings import Finding, Level
from server.settings.access import OidcSettings

PROVIDER = "OpenID Connect"


async def answers(ask: Callable[[], Awaitable[object]]) -> Finding:
    """Look at whether the provider answers; `ask` asks it what it is like."""
    try:
        await ask()
    except SignInFailedError as error:
        return Finding(PROVIDER, Level.PROBLEM, f"{error}. Nobody can sign in there now")
    return Finding(PROVIDER, Level.OK, "the provider answers")


def grants(oidc: OidcSettings) -> Iterator[Finding]:
    """Look at what TAILRUN_OIDC_GRANTS gives to whoever the provider knows."""
    for one in oidc.grants:
        if one.name == ANY_VALUE and one.role is not Role.VIEWER:
            yield Finding(
                PROVIDER,
                Level.WARNING,
                f"TAILRUN_OIDC_GRANTS makes everybody whom {oidc.issuer} knows {one.role} in"
                f" {one.group}. Name a value of the claim {oidc.grants_claim}, unless all of them"
                " are yours",
            )
