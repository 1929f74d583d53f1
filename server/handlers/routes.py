"""All routes: this table reads as the API."""

from collections.abc import Mapping

from aiohttp import web

from server.access import Right
from server.handlers import (
    audit,
    command_sets,
    commands,
    enrolments,
    events,
    grants,
    health,
    hooks,
    marks,
    notifications,
    oidc,
    output,
    pages,
    runs,
    schedules,
    scripts,
    search,
    session,
    sse,
    stream,
    tokens,
    workers,
)
from server.handlers.http.answers import API
from server.handlers.http.openapi import Row, checked
from server.handlers.http.rules import Refuse, add_route

ROUTES: list[Row] = [
    ("GET", "ping", Right.PUBLIC, health.ping),
    ("GET", "commands/", Right.SEE, commands.list_commands),
    ("POST", "commands/", Right.EDIT, commands.create_command),
    ("PUT", "commands/", Right.EDIT, command_sets.apply_commands),
    ("GET", "commands/export", Right.EDIT, command_sets.export_commands),
    ("GET", "commands/{id}", Right.SEE, commands.get_command),
    ("PUT", "commands/{id}", Right.EDIT, commands.replace_command),
    ("PATCH", "commands/{id}", Right.EDIT, commands.change_command),
    ("DELETE", "commands/{id}", Right.ADMINISTER, commands.delete_command),
    ("GET", "commands/{id}/info", Right.SEE, runs.get_info),
    ("POST", "commands/{id}/stop", Right.OPERATE, commands.stop_command),
    ("POST", "commands/{id}/runs", Right.OPERATE, runs.start_run),
    ("GET", "commands/{id}/runs", Right.SEE, runs.list_command_runs),
    ("GET", "commands/{id}/ws", Right.SEE, stream.stream_command),
    ("POST", "commands/{id}/pause", Right.OPERATE, schedules.pause_command),
    ("POST", "commands/{id}/resume", Right.OPERATE, schedules.resume_command),
    ("GET", "commands/{id}/schedules", Right.SEE, schedules.list_command_schedules),
    ("POST", "commands/{id}/schedules", Right.EDIT, schedules.create_schedule),
    ("GET", "schedules/", Right.SEE, schedules.list_schedules),
    ("GET", "schedules/preview", Right.SEE, schedules.preview_schedule),
    ("GET", "schedules/{id}", Right.SEE, schedules.get_schedule),
    ("PUT", "schedules/{id}", Right.EDIT, schedules.replace_schedule),
    ("PATCH", "schedules/{id}", Right.EDIT, schedules.change_schedule),
    ("DELETE", "schedules/{id}", Right.EDIT, schedules.delete_schedule),
    ("GET", "schedules/{id}/fires", Right.SEE, schedules.list_fires),
    ("GET", "commands/{id}/hooks", Right.EDIT, hooks.list_hooks),
    ("POST", "commands/{id}/hooks", Right.EDIT, hooks.create_hook),
    ("PATCH", "hooks/{id}", Right.EDIT, hooks.change_hook),
    ("DELETE", "hooks/{id}", Right.EDIT, hooks.delete_hook),
    ("POST", "hooks/{id}/secret", Right.EDIT, hooks.renew_secret),
    ("POST", "hooks/{id}", Right.PUBLIC, hooks.receive_delivery),
    ("POST", "scripts/check", Right.EDIT, scripts.check_script),
    ("GET", "runs/", Right.SEE, runs.list_runs),
    ("POST", "runs/delete", Right.ADMINISTER, runs.delete_runs),
    ("GET", "runs/{id}", Right.SEE, runs.get_run),
    ("DELETE", "runs/{id}", Right.ADMINISTER, runs.delete_run),
    ("POST", "runs/{id}/stop", Right.OPERATE, runs.stop_run),
    ("POST", "runs/{id}/abandon", Right.OPERATE, runs.abandon_run),
    ("POST", "runs/{id}/signal", Right.OPERATE, runs.signal_run),
    ("GET", "runs/{id}/output", Right.SEE, output.get_output),
    ("GET", "runs/{id}/search", Right.SEE, search.get_search),
    ("GET", "runs/{id}/marks", Right.SEE, marks.get_marks),
    ("GET", "runs/{id}/script", Right.OPERATE, runs.get_script),
    ("GET", "runs/{id}/ws", Right.SEE, stream.stream_run),
    ("GET", "events", Right.SEE, events.stream_events),
    ("GET", "audit/", Right.GOVERN, audit.list_audit),
    ("GET", "tokens/", Right.SIGNED_IN, tokens.list_tokens),
    ("POST", "tokens/", Right.SIGNED_IN, tokens.create_token),
    ("DELETE", "tokens/{id}", Right.SIGNED_IN, tokens.revoke_token),
    ("GET", "grants/", Right.GOVERN, grants.list_grants),
    ("POST", "grants/", Right.GOVERN, grants.create_grant),
    ("DELETE", "grants/{id}", Right.GOVERN, grants.delete_grant),
    ("GET", "notification-targets/", Right.EDIT, notifications.list_targets),
    ("POST", "notification-targets/", Right.GOVERN, notifications.create_target),
    ("PATCH", "notification-targets/{id}", Right.GOVERN, notifications.change_target),
    ("DELETE", "notification-targets/{id}", Right.GOVERN, notifications.delete_target),
    ("POST", "notification-targets/{id}/test", Right.GOVERN, notifications.test_target),
    ("GET", "workers/", Right.EDIT, workers.list_workers),
    ("POST", "workers/tokens", Right.GOVERN, enrolments.make_worker_token),
    ("POST", "workers/enroll", Right.PUBLIC, enrolments.enrol_worker),
    ("PATCH", "workers/{id}", Right.GOVERN, enrolments.change_worker),
    ("DELETE", "workers/{id}", Right.GOVERN, enrolments.remove_worker),
    ("GET", "notifications/", Right.SEE, notifications.list_notifications),
    ("POST", "runs/{id}/ticket", Right.SEE, session.make_ticket),
    ("GET", "session", Right.PUBLIC, session.get_session),
    ("POST", "session", Right.PUBLIC, session.sign_in),
    ("DELETE", "session", Right.PUBLIC, session.sign_out),
    ("POST", "session/link", Right.SIGNED_IN, session.make_link),
    ("GET", "session/oidc", Right.PUBLIC, oidc.begin_sign_in),
    ("GET", "session/oidc/callback", Right.PUBLIC, oidc.finish_sign_in),
]
"""Method, path under API as it is documented, the right that it asks for, handler. All answer with
and without the final slash."""

STREAMS = ("/ws", "events")
"""How the paths of WebSockets end."""

REFUSALS: Mapping[str, Refuse] = {
    "ws": stream.refused,
    "output": sse.refused,
    "events": events.refused,
}
"""How a stranger is refused, by the last part of a path, where no status can say why."""


def add_routes(app: web.Application) -> None:
    """Add every route of the API to the application, with HEAD and the other slash form."""
    for method, path, right, operation in ROUTES:
        handler = checked(operation)
        refuse = REFUSALS.get(path.strip("/").rpartition("/")[2])
        other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        has_head = method == "GET" and not path.endswith(STREAMS)
        for form in [path, other]:
            for one in [method, "HEAD"] if has_head else [method]:
                add_route(app, one, f"{API}/{form}", handler, right, refuse=refuse)


def add_other_routes(app: web.Application) -> None:
    """Add what is none of the API: how the service is, the page and what belongs to it."""
    for method in ["GET", "HEAD"]:
        add_route(app, method, "/healthz", health.ping.handler, Right.PUBLIC)
        add_route(app, method, "/readyz", health.ready, Right.PUBLIC)
        add_route(app, method, "/metrics", health.metrics, Right.GOVERN, takes_metrics_token=True)
        for path, handler in [
            ("/", pages.page),
            ("/swagger", pages.documentation_redirect),
            ("/swagger/", pages.documentation_redirect),
            ("/swagger/index.html", pages.documentation),
            ("/docs/{name}.md", pages.guide),
            ("/static/{path:.*}", pages.asset),
        ]:
            add_route(app, method, path, handler, Right.PUBLIC)
