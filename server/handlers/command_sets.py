"""Routes of commands as files have them: many at a time."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from marshmallow import ValidationError

from server.access import Right
from server.command_set import Fate, Plan, Step, WantedCommand, beside_runs, exported
from server.errors import ForbiddenError, InvalidCursorError, KeyTakenError
from server.handlers import access
from server.handlers.http.answers import base_path, json_response
from server.handlers.http.bodies import flattened
from server.handlers.http.keys import BOUNDS, COMMAND_SETS, GROUPS, PRINCIPAL, PRIVILEGES, TARGETS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import actor, body, query
from server.handlers.http.problems import InvalidInputError
from server.handlers.schemas.command_sets import (
    CommandSetAsked,
    CommandSetBody,
    CommandSetSchema,
    ExportAsked,
    ExportQuery,
    ExportSchema,
    SetCommandSchema,
)
from server.services.notifications.targets import missing

NAMED_ERRORS = 100
KEY = re.compile(r"[a-z0-9-]{1,64}\Z")


@operation(
    tag="commands",
    summary="Make commands what files say",
    description="By their keys, all or nothing: what is new is stored, what differs changed, and"
    " with `prune` what is missing deleted, with all its runs. Each is given whole; a group and a"
    " `run_as` that it does not name stay. Each command takes the rights that its change takes by"
    " itself. Nothing is started.",
    body=CommandSetBody,
    errors=(409,),
    answers={200: ("What becomes, or would become, of each.", CommandSetSchema)},
)
async def apply_commands(request: web.Request) -> web.Response:
    """Apply a set of commands."""
    asked = body(request, CommandSetAsked)
    wanted = await _read(request, asked.commands)
    sets = request.app[COMMAND_SETS]

    def permit(plan: Plan) -> None:
        for step in plan.steps:
            _permit(request, step)

    if asked.dry_run:
        plan = await sets.plan(wanted, prune=asked.prune)
        permit(plan)
    else:
        plan = await sets.apply(
            wanted, prune=asked.prune, token=asked.plan, permit=permit, by=actor(request)
        )
        for group in {one.stored.group for one in plan.changing if one.stored is not None}:
            request.app[GROUPS].forget(group)
    return json_response(CommandSetSchema.render(plan, base_path(request)))


@operation(
    tag="commands",
    summary="List commands as files have them",
    description="Whole, those with a key that may be changed, in the order of their keys.",
    query=ExportQuery,
    answers={200: ("A page of commands.", ExportSchema)},
)
async def export_commands(request: web.Request) -> web.Response:
    """Answer a page of commands as `apply_commands` takes them."""
    asked = query(request, ExportAsked)
    if asked.cursor is not None and not KEY.match(asked.cursor):
        raise InvalidCursorError("The cursor was not made by this service.")
    groups = request[PRINCIPAL].groups(Right.EDIT)
    if asked.group is not None:
        is_one = groups is None or asked.group in groups
        groups = frozenset({asked.group}) if is_one else frozenset()
    page = await request.app[COMMAND_SETS].export(groups, limit=asked.limit, cursor=asked.cursor)
    items = [exported(command) for command in page.items]
    return json_response({"items": items, "next": page.next})


async def _read(request: web.Request, given: Sequence[Any]) -> list[WantedCommand]:
    """Return what is wanted, read by its schema.

    Raises:
        InvalidInputError: fields are wrong, or two have the same key.
    """
    schema, wrong = SetCommandSchema(), dict[str, list[str]]()
    wanted: list[WantedCommand] = []
    places: dict[str, int] = {}
    for number, one in enumerate(given):
        await asyncio.sleep(0)  # a command may have a hundred patterns to compile
        place = f"commands.{number}"
        try:
            found: WantedCommand = schema.load(one)
        except ValidationError as error:
            wrong |= _named(place, error)
        else:
            wrong |= _wrong(request, place, found, places)
            places.setdefault(found.key, number)
            wanted.append(found)
        if len(wrong) > NAMED_ERRORS:
            break
    wrong |= await _missing_targets(request, wanted, places)
    if wrong:
        raise InvalidInputError(wrong)
    return wanted


async def _missing_targets(
    request: web.Request, wanted: Sequence[WantedCommand], places: dict[str, int]
) -> dict[str, list[str]]:
    """Return which commands notify targets that there are not, by the place of the field."""
    named = {found.key: {one.target for one in found.options.notify} for found in wanted}
    targets = set().union(*named.values())
    unknown = set(await request.app[TARGETS].unknown(targets)) if targets else set()
    return {
        f"commands.{places[key]}.notify": [missing(sorted(names & unknown))]
        for key, names in named.items()
        if names & unknown
    }


def _named(place: str, error: ValidationError) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for name, said in error.messages_dict.items():
        for field, texts in flattened(place if name == "_schema" else f"{place}.{name}", said):
            named.setdefault(field, []).extend(texts)
    return named


def _wrong(
    request: web.Request, place: str, found: WantedCommand, places: dict[str, int]
) -> dict[str, list[str]]:
    """Return what of a command is wrong beyond its fields."""
    beyond = request.app[BOUNDS].beyond(found.options.as_json())
    wrong = {f"{place}.{name}": texts for name, texts in beyond.items()}
    if found.key in places:
        wrong[f"{place}.key"] = [f"It is that of commands.{places[found.key]}, too."]
    if found.run_as is not None and found.run_as not in request.app[PRIVILEGES].run_as_users:
        wrong[f"{place}.run_as"] = ["It is to be one of TAILRUN_RUN_AS_USERS."]
    return wrong


def _permit(request: web.Request, step: Step) -> None:
    """Refuse a step that whoever asks may not do by itself.

    Raises:
        KeyTakenError: the key is that of a command that may not be seen.
        ForbiddenError: a right is missing; it names the command.
    """
    before = step.stored
    if before is not None and not request[PRINCIPAL].may(Right.SEE, before.group):
        raise KeyTakenError.of(step.key)
    groups = {step.group} if before is None else {before.group, step.group}
    try:
        for group in sorted(groups):
            access.demand(request, _right(step), group)
    except ForbiddenError as error:
        raise ForbiddenError(f"{step.key}: {error}") from error


def _right(step: Step) -> Right:
    """Return what a step takes in the groups that the command is in, before and after."""
    if step.fate is Fate.DELETED:
        return Right.ADMINISTER
    is_moved = step.stored is not None and step.stored.group != step.group
    is_anothers = step.run_as is not None and not beside_runs(step.fields)
    takes_admin = is_moved or is_anothers or "run_as" in step.fields
    return Right.ADMINISTER if takes_admin else Right.EDIT
