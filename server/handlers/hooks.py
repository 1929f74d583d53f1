"""Routes of hooks: what other services start runs by, and what they send."""

from typing import Any

from aiohttp import web

from server.errors import HookNotFoundError
from server.handlers.http.answers import base_path, json_response, location
from server.handlers.http.keys import HOOK_SETTINGS, HOOKS, IDENTITY
from server.handlers.http.operation import operation
from server.handlers.http.parameters import actor, body, command_id, hook_id
from server.handlers.http.problems import InvalidInputError, problem
from server.handlers.schemas.hooks import (
    ChangedHook,
    HookPatchBody,
    HookSchema,
    HooksSchema,
    NewHookBody,
    NewHookSchema,
    ReceivedSchema,
)
from server.models import Hook, HookChange, NewHook
from server.repositories.page import Page
from server.services.hooks import schemes
from server.services.hooks.hooks import MadeHook, Outcome
from server.services.hooks.schemes import Sent


@operation(
    tag="hooks",
    summary="List a command's hooks",
    description="Oldest first, without their secrets.",
    answers={200: ("The hooks.", HooksSchema)},
)
async def list_hooks(request: web.Request) -> web.Response:
    """Answer a command's hooks."""
    hooks = await request.app[HOOKS].of_command(command_id(request))
    return json_response(HooksSchema.render(Page(hooks, None), base_path(request)))


@operation(
    tag="hooks",
    summary="Make a hook",
    description="The answer has the secret, which cannot be had again: give it to the sender.",
    body=NewHookBody,
    answers={201: ("The hook, with its secret.", NewHookSchema)},
    errors=(409,),
)
async def create_hook(request: web.Request) -> web.Response:
    """Make a hook of a command."""
    made = await request.app[HOOKS].create(
        command_id(request), body(request, NewHook), by=actor(request)
    )
    return _made(request, made, status=201, headers=location(request, f"hooks/{made.hook.id}"))


@operation(
    tag="hooks",
    summary="Change a hook",
    description="What the body names, and nothing else. With the secret null it gets a new one,"
    " which the answer has; the one before is good no more.",
    body=HookPatchBody,
    answers={200: ("The hook as it is now.", NewHookSchema)},
)
async def change_hook(request: web.Request) -> web.Response:
    """Change a hook."""
    asked = body(request, ChangedHook)
    hook = await _hook(request)
    secret = asked.change.secret
    if secret is not None and (wrong := schemes.secret_problem(hook.scheme, secret)) is not None:
        raise InvalidInputError({"secret": [wrong]})
    made = await request.app[HOOKS].change(hook, asked.change, renew=asked.renew, by=actor(request))
    if asked.renew:
        return _made(request, made)
    return json_response(HookSchema.render(made.hook, base_path(request)))


@operation(
    tag="hooks",
    summary="Give a hook a new secret",
    description="The answer has it, and it cannot be had again. The one before is refused from now"
    " on.",
    answers={200: ("The hook, with its secret.", NewHookSchema)},
)
async def renew_secret(request: web.Request) -> web.Response:
    """Give a hook a new secret."""
    hook = await _hook(request)
    made = await request.app[HOOKS].change(hook, HookChange(), renew=True, by=actor(request))
    return _made(request, made)


@operation(
    tag="hooks",
    summary="Delete a hook",
    description="What is sent to it starts nothing any more; its runs stay.",
    answers={204: ("It is deleted.", None)},
)
async def delete_hook(request: web.Request) -> web.Response:
    """Delete a hook."""
    await request.app[HOOKS].delete(hook_id(request), by=actor(request))
    return web.Response(status=204)


@operation(
    tag="hooks",
    summary="Start a run by a hook",
    description="For the services that send: the signature is the credential, and no other is asked"
    " for. The body, JSON of whatever shape, is handed to the run as a file.",
    answers={
        200: ("It starts no run, or has started one before.", ReceivedSchema),
        201: ("A run is started.", ReceivedSchema),
    },
    errors=(401, 409, 413, 415, 422, 429),
)
async def receive_delivery(request: web.Request) -> web.Response:
    """Start a run by what was sent to a hook."""
    most = request.app[HOOK_SETTINGS].max_hook_body_bytes
    try:
        sent = await request.clone(client_max_size=most).read()
    except web.HTTPRequestEntityTooLarge:
        return problem(413, "The body is larger than the limit TAILRUN_MAX_HOOK_BODY_BYTES.")
    headers = {name.lower(): request.headers[name] for name in request.headers}
    received = await request.app[HOOKS].receive(
        hook_id(request), Sent(headers, sent), request.app[IDENTITY].address(request)
    )
    status = 201 if received.outcome is Outcome.STARTED else 200
    return json_response(ReceivedSchema.render(received, base_path(request)), status=status)


async def _hook(request: web.Request) -> Hook:
    """Return the hook that the path names.

    Raises:
        HookNotFoundError: there is no such hook.
    """
    hook = await request.app[HOOKS].get(hook_id(request))
    if hook is None:
        raise HookNotFoundError.of(hook_id(request))
    return hook


def _made(request: web.Request, made: MadeHook, **more: Any) -> web.Response:
    """Answer a hook with its secret, which is new."""
    shown = HookSchema.render(made.hook, base_path(request)) | {"secret": made.secret}
    return json_response(shown, **more)
