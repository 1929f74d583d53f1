"""What a provider's claims mean here: a principal's name, and roles by group. Pure."""

import unicodedata
from collections.abc import Iterable, Mapping

from server.access import Role
from server.services.access.oidc.failures import Reason, SignInFailedError
from server.settings.values import NamedGrant

Claims = Mapping[str, object]

PREFIX = "oidc:"
MAX_NAME_CHARACTERS = 200
EMAIL = "email"
ANY_VALUE = "*"
"""In a rule: for whoever signs in, whatever the claim says, and if it says nothing."""

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what cannot be seen, or changes how a name looks."""


def find(claims: Claims, name: str) -> object:
    """Return a claim, None where there is none; `realm_access.roles` is one within another.

    An address for mail that nobody has verified could be anybody's, and is none.
    """
    if name == EMAIL and claims.get("email_verified") is not True:
        return None
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def principal_name(claims: Claims, claim: str) -> str:
    """Return what a person is called here.

    Raises:
        SignInFailedError: the claim is missing, or no name.
    """
    value = find(claims, claim)
    if not isinstance(value, str) or not value.strip():
        hint = ", or it is not verified" if claim == EMAIL else ""
        raise SignInFailedError(Reason.UNNAMED, f"the provider does not tell {claim!r}{hint}")
    if len(value) > MAX_NAME_CHARACTERS or any(unicodedata.category(c) in UNSEEN for c in value):
        raise SignInFailedError(
            Reason.UNNAMED, f"what the provider tells as {claim!r} is too long or cannot be shown"
        )
    return PREFIX + value


def granted(claims: Claims, claim: str, rules: Iterable[NamedGrant]) -> Mapping[str, Role]:
    """Return the highest role in each group that the values of a claim give."""
    value, found = find(claims, claim), dict[str, Role]()
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    said = {one for one in values if isinstance(one, str)}
    for rule in rules:
        before = found.get(rule.group)
        applies = rule.name == ANY_VALUE or rule.name in said
        if applies and (before is None or before.rank < rule.role.rank):
            found[rule.group] = rule.role
    return found
