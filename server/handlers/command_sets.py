"""Routes of commands as files have them: many at a time."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web
from marshmallow import ValidationError

from server.access import Right
from server.command_parts import Fate
from server.command_set import Plan, Step, WantedCommand, beside_runs, exported
from server.errors import ForbiddenError, InvalidCursorError, KeyTakenError, ParametersError
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
from server.handlers.schemas.parameters import sizes_of_patterns
from server.services.command_sets import Outcome
from server.services.notifications.targets import missing
from server.services.parameters import MATCH_STEPS, Steps, check_names, checked

NAMED_ERRORS = 100
NO_SECRETS = "It is a secret, which stands in no file. Give its value in the page: it stays there."
LACKING = (
    "It is required and secret, and the schedule has no value of it. Apply the schedule with"
    " `enabled: false`, give the value in the page, then enable it."
)
PATTERNS_SIZE = 8_000_000
"""Of all patterns of a set, in instructions of RE2: they take it some 2 s."""

MATCHED_STEPS = 4 * MATCH_STEPS
"""Of all values of the schedules of a set."""

TOO_LARGE = "The patterns up to this command are too large together: apply fewer at a time."
LONG_SECONDS = 0.01
"""After a command whose reading took longer, others are served for as long."""

KEY = re.compile(r"[a-z0-9-]{1,64}\Z")


@operation(
    tag="commands",
    summary="Make commands what files say",
    description="By their keys, all or nothing: what is new is stored, what differs changed, and"
    " with `prune` what is missing deleted, with all its runs. Each is given whole; a group, a"
    " `run_as`, schedules and hooks that it does not name stay. Each command takes the rights that"
    " its change takes by itself. Nothing is started. The answer has the secrets of hooks that were"
    " made, which cannot be had again.",
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
        if lacking := _lacking(plan):
            raise InvalidInputError(lacking)

    if asked.dry_run:
        outcome = Outcome(await sets.plan(wanted, prune=asked.prune))
        permit(outcome.plan)
    else:
        outcome = await sets.apply(
            wanted, prune=asked.prune, token=asked.plan, permit=permit, by=actor(request)
        )
        changed = outcome.plan.changing
        for group in {one.stored.group for one in changed if one.stored is not None}:
            request.app[GROUPS].forget(group)
    return json_response(CommandSetSchema.render(outcome, base_path(request)))


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
    items = [exported(one.command, one.parts) for one in page.items]
    return json_response({"items": items, "next": page.next})


async def _read(request: web.Request, given: Sequence[Any]) -> list[WantedCommand]:
    """Return what is wanted, read by its schema.

    Raises:
        InvalidInputError: fields are wrong, or two have the same key.
    """
    schema, wrong = SetCommandSchema(), dict[str, list[str]]()
    wanted: list[WantedCommand] = []
    places: dict[str, int] = {}
    size, steps = 0, Steps(MATCHED_STEPS)
    for number, one in enumerate(given):
        place = f"commands.{number}"
        async with _others_served():
            said = one.get("parameters") if isinstance(one, dict) else None
            size += max(sizes_of_patterns(said), default=0)
            try:
                found: WantedCommand = schema.load(one)
            except ValidationError as error:
                wrong |= _named(place, error)
            else:
                wrong |= _wrong(request, place, found, places) | _unfitting(place, found, steps)
                places.setdefault(found.key, number)
                wanted.append(found)
        if size > PATTERNS_SIZE:
            wrong.setdefault(f"{place}.parameters", []).append(TOO_LARGE)
        if size > PATTERNS_SIZE or len(wrong) > NAMED_ERRORS:
            break
    wrong |= await _missing_targets(request, wanted, places)
    if wrong:
        raise InvalidInputError(wrong)
    return wanted


@asynccontextmanager
async def _others_served() -> AsyncIterator[None]:
    """Have others served after something that took long, for as long as that took.

    A request takes several turns of the loop: one turn between two such things would be too little.
    """
    began = time.thread_time()
    try:
        yield
    finally:
        took = time.thread_time() - began
        await asyncio.sleep(took if took > LONG_SECONDS else 0)


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


def _unfitting(place: str, found: WantedCommand, steps: Steps) -> dict[str, list[str]]:
    """Return which parameters of its schedules and hooks a command does not take.

    Values are matched with patterns in so many steps at most, of the whole set.
    """
    options, wrong = found.options, dict[str, list[str]]()
    shown = [one for one in options.parameters if one.name not in options.secrets]
    for number, schedule in enumerate(found.schedules or ()):
        at = f"{place}.schedules.{number}.parameters"
        secret = options.secrets & schedule.parameters.keys()
        wrong |= {f"{at}.{name}": [NO_SECRETS] for name in sorted(secret)}
        values = {name: schedule.parameters[name] for name in schedule.parameters.keys() - secret}
        wrong |= _refused(at, partial(checked, shown, values, options.environment, steps))
    for number, hook in enumerate(found.hooks or ()):
        at = f"{place}.hooks.{number}.parameters"
        wrong |= _refused(at, partial(check_names, options.parameters, hook.parameters))
    return wrong


def _refused(place: str, check: Callable[[], object]) -> dict[str, list[str]]:
    try:
        check()
    except ParametersError as error:
        return {f"{place}.{name}": texts for name, texts in error.by_name.items()}
    return {}


def _lacking(plan: Plan) -> dict[str, list[str]]:
    """Return which schedules would start nothing, as values of secret parameters are not there."""
    found: dict[str, list[str]] = {}
    for number, step in enumerate(plan.steps):
        parameters = () if step.wanted is None else step.wanted.options.parameters
        required = {one.name for one in parameters if one.required}
        secret = frozenset() if step.wanted is None else step.wanted.options.secrets
        for index, one in enumerate(step.schedules):
            for name in sorted(one.lacking(required & secret)):
                found[f"commands.{number}.schedules.{index}.parameters.{name}"] = [LACKING]
    return found


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
