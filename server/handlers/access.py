"""Who asks, and whether they may: what every request passes before its handler.

By default nobody may: a route has a right, and who does not have it in the group of what the path
names goes no further. What one may not see is answered as what does not exist.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from uuid import UUID

from aiohttp import hdrs, web

from server.access import ANONYMOUS, EVERY_GROUP, LEAST, Actor, KnownBy, Principal, Right
from server.errors import (
    CommandNotFoundError,
    CredentialRefusedError,
    DatabaseUnavailableError,
    ForbiddenError,
    HookNotFoundError,
    NotSignedInError,
    RunNotFoundError,
    ScheduleNotFoundError,
    TailrunError,
)
from server.handlers.http import keys
from server.handlers.http.answers import API
from server.handlers.http.parameters import command_id, hook_id, run_id, schedule_id
from server.handlers.http.problems import Handler
from server.handlers.http.rendering import MayOf
from server.handlers.http.rules import RULES, Rule, Thing
from server.models import Command
from server.services.running.live import RunView

PUBLIC = Rule(right=Right.PUBLIC)
SIGNED_IN = Rule(right=Right.SIGNED_IN)

NAMED_GROUPS = 10
"""So many groups a message names."""


@web.middleware
async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through to its handler, where its principal has the route's right."""
    rule = _rule_of(request)
    try:
        await _admit(request, rule)
    except TailrunError as error:
        _put_on_record(request, error)
        if rule.refuse is None:
            raise
        return await rule.refuse(request, error)
    try:
        return await handler(request)
    except (CredentialRefusedError, ForbiddenError) as error:
        _put_on_record(request, error)
        raise


def _put_on_record(request: web.Request, error: TailrunError) -> None:
    """Have it in the audit when somebody may not do what he asked for."""
    denials = CredentialRefusedError | NotSignedInError | ForbiddenError
    if isinstance(error, denials) and not error.on_record:
        nobody = Actor(ANONYMOUS, request.app[keys.IDENTITY].address(request))
        request.app[keys.AUDIT].denied(
            request.get(keys.ACTOR, nobody),
            method=request.method,
            path=request.path,
            why=str(error),
        )


async def asker(request: web.Request) -> Principal:
    """Return who asks, on a route that is public: with a wrong credential, nobody known."""
    try:
        return await request.app[keys.IDENTITY].of(request)
    except TailrunError:
        return ANONYMOUS


def demand(request: web.Request, right: Right, group: str) -> None:
    """Refuse a request whose principal has no such right in a group.

    Raises:
        ForbiddenError: it says which role is needed.
    """
    principal = request[keys.PRINCIPAL]
    if not principal.may(right, group):
        raise _forbidden(principal, right, group)


def demand_sight(request: web.Request, command: Command) -> None:
    """Refuse a request whose principal may not see a command, as if there were none.

    Raises:
        CommandNotFoundError: it may not be seen.
    """
    if not request[keys.PRINCIPAL].may(Right.SEE, command.group):
        raise CommandNotFoundError.of(command.id)


def groups_seen(request: web.Request, group: str | None) -> AbstractSet[str] | None:
    """Return the groups that a list is of: all that may be seen, or the one that is asked for.

    None: every group.
    """
    seen = request[keys.PRINCIPAL].groups(Right.SEE)
    if group is None:
        return seen
    return frozenset({group}) if seen is None or group in seen else frozenset()


def may_of(request: web.Request, groups: Mapping[UUID, str]) -> MayOf:
    """Return what tells what may be done with commands, whose groups are given by their ids.

    Of those that are missing, it is what may be done everywhere.
    """
    principal = request[keys.PRINCIPAL]
    host_of = request.app[keys.HOST_OF]
    everywhere = _names(principal, EVERY_GROUP)
    if principal.is_alike_everywhere:
        return MayOf(lambda _: everywhere, host_of)
    by_group = {group: _names(principal, group) for group in set(groups.values())}
    by_command = {command: by_group[group] for command, group in groups.items()}
    return MayOf(lambda command: by_command.get(command, everywhere), host_of)


async def may_of_runs(request: web.Request, views: Iterable[RunView]) -> MayOf:
    """Return what tells what may be done with the commands of runs."""
    commands = {view.run.command_id for view in views}
    groups: Mapping[UUID, str] = {}
    if keys.GROUP in request:  # all are of the thing that the path names
        groups = dict.fromkeys(commands, request[keys.GROUP])
    elif not request[keys.PRINCIPAL].is_alike_everywhere:
        with suppress(DatabaseUnavailableError):  # runs that are live can be shown without it
            groups = await request.app[keys.GROUPS].groups_of_commands(commands)
    return may_of(request, groups)


def _names(principal: Principal, group: str) -> list[str]:
    return [right.value for right in principal.rights_in(group)]


def _rule_of(request: web.Request) -> Rule:
    if request.match_info.http_exception is None:
        return request.app[RULES][request.match_info.route]
    # No such path, or not with this method: strangers are not told what there is.
    return SIGNED_IN if request.path.startswith(API) else PUBLIC


async def _admit(request: web.Request, rule: Rule) -> None:
    """Find out who asks, and whether they may.

    Raises:
        CredentialRefusedError: the credential is none of ours.
        NotSignedInError: there is none, and the route needs one.
        NotFoundError: there is no such thing, or it may not be seen.
        ForbiddenError: the right is missing.
    """
    identity = request.app[keys.IDENTITY]
    is_open = rule.right is Right.PUBLIC or (
        rule.takes_metrics_token and _has_metrics_token(request)
    )
    principal = ANONYMOUS if is_open else await identity.of(request)
    request[keys.PRINCIPAL] = principal
    request[keys.ACTOR] = Actor(principal, identity.address(request))
    if is_open:
        return
    if principal.known_by is KnownBy.NOBODY:
        raise identity.not_signed_in(request)
    if principal.run is not None:
        _keep_to_run(request, rule, principal.run)
    await _check(request, rule, principal)


async def _check(request: web.Request, rule: Rule, principal: Principal) -> None:
    if principal.stale and rule.right not in {Right.SEE, Right.SIGNED_IN}:
        raise DatabaseUnavailableError("The database is away, and was not asked who this is.")
    groups = principal.groups(rule.right)
    if groups is None:  # whatever group it is: nothing need be asked
        return
    if rule.thing is None:
        if not groups:
            raise _forbidden(principal, rule.right, None)
        return
    group = request[keys.GROUP] = await _group_of(request, rule.thing)
    if not principal.may(Right.SEE, group):
        raise _not_found(request, rule.thing)
    if not principal.may(rule.right, group):
        raise _forbidden(principal, rule.right, group)


async def _group_of(request: web.Request, thing: Thing) -> str:
    groups = request.app[keys.GROUPS]
    if thing is Thing.COMMAND:
        return await groups.group_of_command(command_id(request))
    if thing is Thing.SCHEDULE:
        return await groups.group_of_schedule(schedule_id(request))
    if thing is Thing.HOOK:
        return await groups.group_of_hook(hook_id(request))
    return await groups.group_of_run(run_id(request))


def _not_found(request: web.Request, thing: Thing) -> TailrunError:
    """Return the error of what does not exist: nobody learns that it does."""
    if thing is Thing.COMMAND:
        return CommandNotFoundError.of(command_id(request))
    if thing is Thing.SCHEDULE:
        return ScheduleNotFoundError.of(schedule_id(request))
    if thing is Thing.HOOK:
        return HookNotFoundError.of(hook_id(request))
    return RunNotFoundError.of(run_id(request))


def _forbidden(principal: Principal, right: Right, group: str | None) -> ForbiddenError:
    where = "in a group" if group is None else f"in the group {group}"
    if right is Right.GOVERN:
        where = "in every group"
    has = sorted(principal.groups(right) or ())[:NAMED_GROUPS]
    elsewhere = f" It is given in {', '.join(has)}." if has else ""
    who = principal.name
    if principal.known_by is KnownBy.TOKEN:  # its owner may well have the role
        who = f"the token {principal.label!r} of {principal.name}"
    return ForbiddenError(
        f"This takes the role {LEAST[right]} {where}; {who} does not have it there.{elsewhere}"
    )


def _keep_to_run(request: web.Request, rule: Rule, run: UUID) -> None:
    """Refuse a ticket for anything but reading its run.

    Raises:
        ForbiddenError: it is another run, or no run, or more than reading.
    """
    if rule.thing is not Thing.RUN or rule.right is not Right.SEE or run_id(request) != run:
        raise ForbiddenError("A ticket is for reading the one run that it was made for.")


def _has_metrics_token(request: web.Request) -> bool:
    expected = request.app[keys.ACCESS].metrics_token
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if expected is None or scheme.lower() != "bearer":
        return False
    # Hashes: how long the comparison takes tells nothing of the token.
    one, other = (
        hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        for text in (expected, given.strip())
    )
    return hmac.compare_digest(one, other)
