"""Who may do what."""

from dataclasses import replace

import pytest

from server.access import (
    ANONYMOUS,
    EVERY_GROUP,
    EVERYBODY,
    KnownBy,
    Principal,
    Right,
    Role,
    merged,
    narrowed,
)

ALLOWED = {
    Role.VIEWER: {Right.SEE},
    Role.OPERATOR: {Right.SEE, Right.OPERATE},
    Role.EDITOR: {Right.SEE, Right.OPERATE, Right.EDIT},
    Role.ADMIN: {Right.SEE, Right.OPERATE, Right.EDIT, Right.ADMINISTER},
}
IN_A_GROUP = ALLOWED[Role.ADMIN]


def principal(**grants: Role) -> Principal:
    named = {EVERY_GROUP if group == "every" else group: role for group, role in grants.items()}
    return Principal(name="alice", known_by=KnownBy.SESSION, grants=named)


@pytest.mark.parametrize("role", Role)
def test_a_role_may_in_its_group_what_the_table_says(role: Role) -> None:
    one = principal(web=role)
    assert {right for right in IN_A_GROUP if one.may(right, "web")} == ALLOWED[role]
    assert not any(one.may(right, "mail") for right in IN_A_GROUP)
    assert not one.may(Right.GOVERN, "web")


@pytest.mark.parametrize("role", Role)
def test_a_role_in_every_group_counts_in_each(role: Role) -> None:
    one = principal(every=role)
    assert {right for right in IN_A_GROUP if one.may(right, "web")} == ALLOWED[role]
    assert one.may(Right.GOVERN, "web") == (role is Role.ADMIN)


def test_the_higher_of_two_roles_counts() -> None:
    one = principal(web=Role.EDITOR, every=Role.VIEWER)
    assert one.role_in("web") is Role.EDITOR
    assert one.role_in("mail") is Role.VIEWER
    assert principal(web=Role.VIEWER, every=Role.EDITOR).role_in("web") is Role.EDITOR


def test_lists_are_of_the_groups_in_which_a_right_is_given() -> None:
    one = principal(web=Role.EDITOR, mail=Role.VIEWER)
    assert one.groups(Right.SEE) == frozenset({"web", "mail"})
    assert one.groups(Right.EDIT) == frozenset({"web"})
    assert one.groups(Right.ADMINISTER) == frozenset()
    assert principal(web=Role.EDITOR, every=Role.VIEWER).groups(Right.SEE) is None
    assert principal(web=Role.EDITOR, every=Role.VIEWER).groups(Right.EDIT) == frozenset({"web"})


def test_nobody_known_may_only_what_is_public() -> None:
    assert [right for right in Right if ANONYMOUS.may(right, "web")] == [Right.PUBLIC]
    assert ANONYMOUS.groups(Right.SEE) == frozenset()


def test_whoever_is_known_is_signed_in_without_a_grant() -> None:
    one = principal()
    assert [right for right in Right if one.may(right, "web")] == [Right.PUBLIC, Right.SIGNED_IN]


def test_everybody_may_everything_where_authentication_is_off() -> None:
    assert all(EVERYBODY.may(right, "web") for right in Right)


def test_of_several_grants_the_highest_role_in_each_group_counts() -> None:
    assert merged({"web": Role.VIEWER}, {"web": Role.EDITOR, "mail": Role.VIEWER}, {}) == {
        "web": Role.EDITOR,
        "mail": Role.VIEWER,
    }
    assert merged({"web": Role.ADMIN}, {"web": Role.VIEWER}) == {"web": Role.ADMIN}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("where", ["web", EVERY_GROUP])
def test_a_token_has_the_lower_of_its_own_role_and_its_owners(
    role: Role, held: Role, where: str
) -> None:
    assert narrowed({where: held}, role, "web") == {"web": min(role, held, key=lambda r: r.rank)}


def test_a_token_is_of_its_group_alone() -> None:
    owner = {"web": Role.EDITOR, "mail": Role.ADMIN}
    assert narrowed(owner, Role.ADMIN, "web") == {"web": Role.EDITOR}
    assert narrowed(owner, Role.ADMIN, "shop") == {}
    assert narrowed({}, Role.ADMIN, EVERY_GROUP) == {}


def test_a_token_of_every_group_is_of_those_that_its_owner_has() -> None:
    owner = {"web": Role.EDITOR, "mail": Role.ADMIN}
    assert narrowed(owner, Role.EDITOR, EVERY_GROUP) == {"web": Role.EDITOR, "mail": Role.EDITOR}
    owner[EVERY_GROUP] = Role.VIEWER
    of_all = narrowed(owner, Role.EDITOR, EVERY_GROUP)
    assert of_all == {EVERY_GROUP: Role.VIEWER, "web": Role.EDITOR, "mail": Role.EDITOR}


def test_who_is_known_from_memory_may_see_and_nothing_else() -> None:
    one = replace(principal(every=Role.ADMIN), stale=True)
    assert one.may(Right.SEE, "web")
    assert one.may(Right.SIGNED_IN, "web")
    assert one.groups(Right.SEE) is None
    for right in {Right.OPERATE, Right.EDIT, Right.ADMINISTER, Right.GOVERN}:
        assert not one.may(right, "web")
        assert one.groups(right) == frozenset()
