"""What a provider's claims mean here."""

import pytest

from server.access import Role
from server.services.access.oidc.claims import find, granted, principal_name
from server.services.access.oidc.failures import Reason, SignInFailedError
from server.settings.values import named_grants

RULES = named_grants("ops=operator@*,dev=editor@web,dev=viewer@*,dev=viewer@web")


def test_a_claim_is_found_by_its_name_or_within_another() -> None:
    claims = {"a.b": 1, "a": {"b": 2, "c": {"d": ["x"]}}, "groups": ["ops"]}
    assert find(claims, "groups") == ["ops"]
    assert find(claims, "a.b") == 1
    assert find(claims, "a.c.d") == ["x"]
    for name in ("b", "a.x", "groups.x", "a.b.c", ""):
        assert find(claims, name) is None


@pytest.mark.parametrize("verified", [{}, {"email_verified": False}, {"email_verified": "true"}])
def test_an_address_that_nobody_has_verified_is_none(verified: dict[str, object]) -> None:
    claims = {"sub": "1", "email": "root@example.org", **verified}
    with pytest.raises(SignInFailedError) as failed:
        principal_name(claims, "email")
    assert failed.value.reason is Reason.UNNAMED
    assert granted(claims, "email", named_grants("root@example.org=admin@*")) == {}
    claims["email_verified"] = True
    assert principal_name(claims, "email") == "oidc:root@example.org"
    assert granted(claims, "email", named_grants("root@example.org=admin@*")) == {"*": Role.ADMIN}


def test_a_principal_is_named_by_the_claim() -> None:
    assert principal_name({"sub": "a b|ü"}, "sub") == "oidc:a b|ü"


@pytest.mark.parametrize(
    "value", [None, 7, ["a"], "", "  ", "a\nb", "a\u202eb", "a\u200bb", "\ud800", "x" * 201]
)
def test_what_is_no_name_is_refused(value: object) -> None:
    with pytest.raises(SignInFailedError) as failed:
        principal_name({"sub": value}, "sub")
    assert failed.value.reason is Reason.UNNAMED


@pytest.mark.parametrize(
    ("value", "gives"),
    [
        (["ops"], {"*": Role.OPERATOR}),
        (["dev"], {"web": Role.EDITOR, "*": Role.VIEWER}),
        (["dev", "ops"], {"web": Role.EDITOR, "*": Role.OPERATOR}),
        ("ops", {"*": Role.OPERATOR}),
        (["OPS", "ops ", 7, None, ["ops"]], {}),
        ("ops,dev", {}),
        ({"ops": True}, {}),
        (None, {}),
    ],
)
def test_the_values_of_a_claim_give_the_highest_role_in_each_group(
    value: object, gives: dict[str, Role]
) -> None:
    assert granted({"groups": value}, "groups", RULES) == gives


def test_a_star_is_for_whoever_signs_in() -> None:
    rules = named_grants("*=viewer@web,ops=admin@web")
    assert granted({}, "groups", rules) == {"web": Role.VIEWER}
    assert granted({"groups": "ops"}, "groups", rules) == {"web": Role.ADMIN}
