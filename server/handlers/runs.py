"""Routes of runs."""

from collections.abc import Mapping

from aiohttp import web

from server.definition import StartAsked
from server.handlers import access
from server.handlers.http.answers import base_path, json_response, location, replay
from server.handlers.http.keys import AUDIT, COMMANDS, DELETIONS, HTTP, LOSSES, RUNS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import (
    REPEATABLE,
    actor,
    body,
    command_id,
    is_repeatable,
    query,
    request_key,
    run_id,
)
from server.handlers.schemas.base import PageAsked, PageQuery
from server.handlers.schemas.run_answers import (
    DeletionsSchema,
    NamedRunPageSchema,
    RunInfoSchema,
    RunPageSchema,
    RunSchema,
    RunScriptSchema,
)
from server.handlers.schemas.runs import (
    RunsAsked,
    RunsDeletion,
    RunsDeletionBody,
    RunsQuery,
    Signal,
    SignalBody,
    Start,
    StartBody,
    Stop,
    StopBody,
)
from server.repositories.page import Page
from server.services.deletions import DeletionOutcome
from server.services.running.live import NamedRunView, RunView


@operation(
    tag="runs",
    summary="Start a run of the command",
    description="With values of its parameters, which its script gets as environment variables.",
    body=StartBody,
    errors=(409,),
    headers=(REPEATABLE,),
    answers={201: ("The run.", RunSchema)},
)
async def start_run(request: web.Request) -> web.Response:
    """Start a command again."""
    values = body(request, Start).parameters
    secrets: frozenset[str] = frozenset()
    if values and is_repeatable(request):
        secrets = (await request.app[COMMANDS].get(command_id(request))).command.options.secrets
    view, replayed = await request.app[RUNS].start(
        command_id(request),
        StartAsked(values=values),
        by=actor(request),
        request=request_key(request, {}, values=values, secrets=secrets),
    )
    headers = location(request, f"runs/{view.run.id}") | replay(replayed=replayed)
    return await _run(request, view, status=201, headers=headers)


@operation(
    tag="runs",
    summary="List the command's runs",
    description="Newest first.",
    query=PageQuery,
    answers={200: ("A page of runs.", RunPageSchema)},
)
async def list_command_runs(request: web.Request) -> web.Response:
    """Answer a page of a command's history."""
    asked = query(request, PageAsked)
    page = await request.app[RUNS].history(
        command_id(request),
        groups=access.groups_seen(request, None),
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return await _runs(request, page)


@operation(
    tag="runs",
    summary="List runs",
    description="Of all commands of the groups that may be seen, newest first. A run is listed"
    " where all that is asked for holds.",
    query=RunsQuery,
    answers={200: ("A page of runs.", NamedRunPageSchema)},
)
async def list_runs(request: web.Request) -> web.Response:
    """Answer a page of all runs."""
    asked = query(request, RunsAsked)
    page = await request.app[RUNS].list(
        asked.runs,
        groups=access.groups_seen(request, asked.group),
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return await (_named_runs if asked.embed else _runs)(request, page)


@operation(
    tag="runs",
    summary="Delete runs with their output",
    description="Up to 500. Of each it is told what became of it: `deleted`; `active`, stop it"
    " first; `forbidden`, as it takes the role admin in its group; `not_found`; or `failed`, as the"
    " database refused it. Asking again is harmless.",
    body=RunsDeletionBody,
    answers={200: ("What became of each, in the order of the ids.", DeletionsSchema)},
)
async def delete_runs(request: web.Request) -> web.Response:
    """Delete runs that have ended."""
    by = actor(request)
    told = await request.app[DELETIONS].delete(body(request, RunsDeletion).ids, by=by)
    for one in told:
        if one.outcome is DeletionOutcome.FORBIDDEN:
            path = f"{request.path} {one.id}"
            request.app[AUDIT].denied(by, method=request.method, path=path, why=one.detail or "")
    return json_response(DeletionsSchema.render(Page(told, None), base_path(request)))


@operation(
    tag="runs",
    summary="Get a run",
    answers={200: ("The run.", RunSchema)},
)
async def get_run(request: web.Request) -> web.Response:
    """Answer a run."""
    return await _run(request, await request.app[RUNS].get(run_id(request)))


@operation(
    tag="runs",
    summary="Get the script that a run executes",
    description="As it was when the run was stored; the command's may have been changed since.",
    answers={200: ("The script.", RunScriptSchema)},
)
async def get_script(request: web.Request) -> web.Response:
    """Answer a run's script."""
    script = await request.app[RUNS].script_of(run_id(request))
    return json_response({"script": script})


@operation(
    tag="runs",
    summary="Get the command's newest run with its output as text",
    description="All that has been written, live too, up to the limit TAILRUN_INFO_OUTPUT_BYTES.",
    answers={200: ("The run.", RunInfoSchema)},
)
async def get_info(request: web.Request) -> web.Response:
    """Answer a command's newest run with its output."""
    service, limit = request.app[RUNS], request.app[HTTP].info_output_bytes
    view = await service.latest(command_id(request))
    text, truncated = await service.text(view.run.id, limit)
    may_of = await access.may_of_runs(request, [view])
    run = RunSchema.render(view, base_path(request), may_of)
    return json_response(run | {"output": text, "output_truncated": truncated})


@operation(
    tag="runs",
    summary="Delete a run with its output",
    answers={204: ("It is deleted.", None)},
    errors=(409,),
)
async def delete_run(request: web.Request) -> web.Response:
    """Delete a run that has ended."""
    await request.app[RUNS].delete(run_id(request), by=actor(request))
    return web.Response(status=204)


@operation(
    tag="runs",
    summary="Stop a run",
    description="The signal goes to the run's process group; after the grace period SIGKILL goes"
    " to all of its processes. Asking again is harmless.",
    body=StopBody,
    answers={202: ("The run, which is ending.", RunSchema)},
    errors=(409,),
)
async def stop_run(request: web.Request) -> web.Response:
    """Stop a run."""
    how = body(request, Stop)
    view = await request.app[RUNS].stop(
        run_id(request),
        by=actor(request),
        signal=how.signal,
        grace_seconds=how.grace_seconds,
    )
    return await _run(request, view, status=202)


@operation(
    tag="runs",
    summary="Give a run up whose host is away",
    description="It ends as lost, and stays so: what it writes there is added once the host is"
    " back, and its processes are ended then. With `on_unreachable: retry` a new one is started.",
    answers={200: ("The run, which has ended.", RunSchema)},
    errors=(409,),
)
async def abandon_run(request: web.Request) -> web.Response:
    """Give up a run."""
    view = await request.app[LOSSES].abandon(run_id(request), by=actor(request))
    return await _run(request, view)


@operation(
    tag="runs",
    summary="Send a signal to a run",
    description="To its process group. SIGSTOP pauses it, SIGCONT resumes it.",
    body=SignalBody,
    answers={202: ("The run.", RunSchema)},
    errors=(409,),
)
async def signal_run(request: web.Request) -> web.Response:
    """Send a signal to a run."""
    signal = body(request, Signal).signal
    view = await request.app[RUNS].signal(run_id(request), by=actor(request), signal=signal)
    return await _run(request, view, status=202)


async def _run(
    request: web.Request,
    view: RunView,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    may_of = await access.may_of_runs(request, [view])
    run = RunSchema.render(view, base_path(request), may_of)
    return json_response(run, status=status, headers=headers)


async def _runs(request: web.Request, page: Page[RunView]) -> web.Response:
    may_of = await access.may_of_runs(request, page.items)
    return json_response(RunPageSchema.render(page, base_path(request), may_of))


async def _named_runs(request: web.Request, page: Page[RunView]) -> web.Response:
    labels = await request.app[COMMANDS].labels({view.run.command_id for view in page.items})
    views = [NamedRunView.of(view, labels.get(view.run.command_id)) for view in page.items]
    may_of = access.may_of(request, {label.id: label.group for label in labels.values()})
    named = Page(views, page.next)
    return json_response(NamedRunPageSchema.render(named, base_path(request), may_of))
