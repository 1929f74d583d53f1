"""The doctor looks at the user of the runs, at tokens, and at the provider's word."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from server.access import Role, Token
from server.services.access.oidc.failures import refused
from server.services.doctor import provider
from server.services.doctor.findings import Finding, Level
from server.services.doctor.runs import user_of_runs
from server.services.doctor.tokens import tokens
from server.settings.access import OidcSettings
from server.settings.values import named_grants

NOW = datetime(2030, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("uid", "run_as", "users", "level", "says"),
    [
        (0, None, (), Level.PROBLEM, "may do everything on this host"),
        (1000, None, (), Level.WARNING, "tailrun, like the server"),
        (0, "runner", (), Level.OK, "runner; the server is tailrun"),
        (0, "runner", ("a", "b"), Level.OK, "or what a command names of a, b;"),
    ],
)
def test_the_user_of_runs_is_told(
    uid: int, run_as: str | None, users: tuple[str, ...], level: Level, says: str
) -> None:
    [found] = user_of_runs(uid, "tailrun", run_as=run_as, run_as_users=users)
    assert found.level is level
    assert says in found.text


@pytest.mark.parametrize(("run_as", "users"), [("bob", ()), ("runner", ("alice", "bob"))])
def test_a_user_of_runs_who_need_not_sign_in_is_a_problem(
    run_as: str, users: tuple[str, ...]
) -> None:
    """Whoever may edit one of bob's commands may do what bob may, in every group."""
    [problem, runs] = user_of_runs(
        0,
        "tailrun",
        run_as=run_as,
        run_as_users=users,
        local_users=named_grants("carol=viewer,bob=admin"),
    )
    assert problem.level is Level.PROBLEM
    assert "a command that runs as bob is admin@*" in problem.text
    assert runs.level is Level.OK


def token(*, age: int, used: int | None, **changes: object) -> Token:
    """Make a token that was made and used so many days before NOW."""
    values: dict[str, object] = {
        "id": uuid4(),
        "name": "ci",
        "owner": "oidc:alice",
        "role": Role.OPERATOR,
        "group": "*",
        "created_at": NOW - timedelta(days=age),
        "expires_at": NOW + timedelta(days=10),
        "last_used_at": None if used is None else NOW - timedelta(days=used),
    }
    return Token(**values | changes)  # type: ignore[arg-type]


def test_tokens_that_are_used_are_well() -> None:
    found = [
        token(age=80, used=1),
        token(age=2, used=None),
        token(age=80, used=None, expires_at=NOW),
        token(age=80, used=None, revoked_at=NOW),
    ]
    assert [*tokens(found, {}, NOW)] == [
        Finding("tokens", Level.OK, "2 are valid, none long unused, none for everything")
    ]


def test_tokens_that_nobody_misses_are_told() -> None:
    unused, forgotten = token(age=40, used=None), token(age=80, used=31, name="old\n")
    mighty = token(age=1, used=1, role=Role.ADMIN)
    found = [*tokens([unused, forgotten, mighty], {}, NOW)]
    assert [one.level for one in found] == [Level.WARNING] * 3
    one, other, third = (one.text for one in found)
    assert one.startswith("'ci' of oidc:alice was used never, and is 40 days old")
    assert one.endswith(str(unused.id))
    assert other.startswith(r"'old\n' of oidc:alice was used not since 2030-05-01")
    assert "may do everything" in third


def test_tokens_of_who_does_not_come_any_more_are_told() -> None:
    """The last sign-in counts until the next: there may be none, of somebody who has left."""
    used = token(age=70, used=1)
    seen = {"oidc:alice": NOW - timedelta(days=61), "oidc:bob": NOW}
    [found] = tokens([used, token(age=70, used=1, owner="oidc:bob")], seen, NOW)
    assert found.level is Level.WARNING
    assert "goes on, though its owner has not signed in since 2030-04-01" in found.text
    [found] = tokens([used], {"oidc:alice": NOW}, NOW)
    assert found.level is Level.OK


async def test_a_provider_that_does_not_answer_is_a_problem() -> None:
    async def answer() -> None:
        pass

    async def fail() -> None:
        raise refused("no JSON")

    assert (await provider.answers(answer)).level is Level.OK
    found = await provider.answers(fail)
    assert found.level is Level.PROBLEM
    assert "no JSON. Nobody can sign in" in found.text


def test_what_everybody_gets_who_is_known_to_the_provider_is_told() -> None:
    def found(text: str) -> list[Finding]:
        return [*provider.grants(OidcSettings(grants=named_grants(text)))]

    assert found("*=viewer@*,ops=admin@*") == []
    [one] = found("*=operator@web")
    assert one.level is Level.WARNING
    assert "operator in web" in one.text
