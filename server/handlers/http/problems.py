"""Errors as RFC 9457 problem details, all of them."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from itertools import islice
from typing import NamedTuple

from aiohttp import web

from server import errors
from server.handlers.http.gate import BodyTimeoutError
from server.handlers.http.near import near

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RETRY_AFTER_SECONDS = 2  # with every 503
BEGAN = web.RequestKey("began", bool)

DOCUMENT = "/docs/api.md"
"""Describes each type of problem, under its slug; clients compare types and not English."""

# A client may send names and values of any number and length, which an answer repeats in part.
NAMED_FIELDS = 10
SHOWN_CHARACTERS = 100
DETAIL_CHARACTERS = 4096


class Kind(NamedTuple):
    """How a kind of error is answered; `detail` stands in for a message that shows internals."""

    status: int
    slug: str
    detail: str | None = None


HOST_UNAVAILABLE = Kind(
    503, "host-unavailable", "The run's host does not answer at the moment. Try again."
)

KINDS: Mapping[type[errors.TailrunError], Kind] = {
    errors.NotFoundError: Kind(404, "not-found"),
    errors.CommandNotFoundError: Kind(404, "command-not-found"),
    errors.RunNotFoundError: Kind(404, "run-not-found"),
    errors.ScheduleNotFoundError: Kind(404, "schedule-not-found"),
    errors.TokenNotFoundError: Kind(404, "token-not-found"),
    errors.HookNotFoundError: Kind(404, "hook-not-found"),
    errors.GrantNotFoundError: Kind(404, "grant-not-found"),
    errors.TargetNotFoundError: Kind(404, "target-not-found"),
    errors.WorkerNotFoundError: Kind(404, "worker-not-found"),
    errors.ConflictError: Kind(409, "conflict"),
    errors.KeyTakenError: Kind(409, "key-taken"),
    errors.CommandActiveError: Kind(409, "command-active"),
    errors.ConcurrencyLimitError: Kind(409, "concurrency-limit"),
    errors.PlanChangedError: Kind(409, "plan-changed"),
    errors.CommandSetTooLargeError: Kind(422, "command-set-too-large"),
    errors.CommandChangedError: Kind(412, "command-changed"),
    errors.ScheduleChangedError: Kind(412, "schedule-changed"),
    errors.RunActiveError: Kind(409, "run-active"),
    errors.NoActiveRunError: Kind(409, "no-active-run"),
    errors.HostNotAwayError: Kind(409, "host-not-away"),
    errors.RequestRepeatedError: Kind(409, "request-repeated"),
    errors.RequestChangedError: Kind(422, "idempotency-key-reused"),
    errors.NotSignedInError: Kind(401, "not-signed-in"),
    errors.CredentialRefusedError: Kind(401, "credential-refused"),
    errors.HookRefusedError: Kind(401, "hook-refused"),
    errors.ForbiddenError: Kind(403, "not-permitted"),
    errors.OtherPageError: Kind(403, "origin-refused"),
    errors.TooManyGuessesError: Kind(429, "too-many-guesses"),
    errors.HookRateError: Kind(429, "hook-rate"),
    errors.HookBodyError: Kind(422, "hook-body-refused"),
    errors.ArchiveDamagedError: Kind(410, "archive-damaged"),
    errors.InvalidCursorError: Kind(422, "invalid-cursor"),
    errors.PatternRefusedError: Kind(422, "pattern-refused"),
    errors.RunNotFollowedError: Kind(503, "run-not-followed"),
    errors.LimitReachedError: Kind(503, "limit-reached"),
    errors.DatabaseUnavailableError: Kind(
        503, "database-unavailable", "The database cannot be reached at the moment. Try again."
    ),
    errors.DatabaseReadOnlyError: Kind(
        503, "database-unavailable", "The database is read-only at the moment. Try again."
    ),
    errors.DatabaseRefusedError: Kind(
        503,
        "database-refused",
        "The database refuses it now; the server's log says why. Try again.",
    ),
    errors.AuditUnavailableError: Kind(
        503,
        "audit-unavailable",
        "It is not done, as it cannot be put on record at the moment. Try again.",
    ),
    errors.KeeperUnavailableError: Kind(
        503, "keeper-unavailable", "The keeper cannot be reached at the moment. Try again."
    ),
    errors.NoAnswerError: HOST_UNAVAILABLE,
    errors.OtherHostFailedError: HOST_UNAVAILABLE,
    errors.WireError: HOST_UNAVAILABLE,
}

HEADERS: Mapping[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}
"""What an answer has besides, by its status."""

SLUGS: Mapping[int, str] = {
    400: "bad-request",
    403: "forbidden",
    404: "no-such-path",
    405: "method-not-allowed",
    408: "request-timeout",
    409: "conflict",
    413: "body-too-large",
    415: "body-not-json",
    416: "range-not-satisfiable",
    422: "invalid-input",
    500: "server-failed",
    503: "limit-reached",
}
"""The kinds of problems that are no error of the domain, by their status."""


class InvalidInputError(Exception):
    """A request whose fields are wrong; `by_field` says what, of the first NAMED_FIELDS.

    Names are cut, as a client may have sent any. `more` says how many fields are not named.
    """

    def __init__(self, by_field: Mapping[str, list[str]], *, more: int = 0) -> None:
        super().__init__(by_field)
        named = islice(by_field.items(), NAMED_FIELDS)
        self.by_field = {
            cut(name, SHOWN_CHARACTERS): [cut(text, DETAIL_CHARACTERS) for text in texts]
            for name, texts in named
        }
        self.more = more + max(len(by_field) - NAMED_FIELDS, 0)

    def __str__(self) -> str:
        named = [f"{name}: {' '.join(texts)}" for name, texts in self.by_field.items()]
        return "; ".join([*named, f"and {self.more} more"] if self.more else named)


def problem(
    status: int,
    detail: str,
    *,
    slug: str | None = None,
    by_field: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    """Make a problem+json answer; without a `slug` its type is the one of its status.

    `members` are further ones, of JSON's types.
    """
    body: dict[str, object] = {
        "type": f"{DOCUMENT}#{slug or SLUGS.get(status, 'http-error')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": cut(detail, DETAIL_CHARACTERS),
    }
    if by_field is not None:
        body["errors"] = by_field
    body |= members or {}
    return web.Response(
        # json.dumps writes lone surrogates, which a body may name, as \ud800.
        body=json.dumps(body).encode() + b"\n",
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem+json answer; a stream that has begun is broken off."""
    try:
        return await handler(request)
    except InvalidInputError as error:
        answer = problem(422, str(error), by_field=error.by_field)
    except errors.ParametersError as error:
        wrong = InvalidInputError(
            {f"parameters.{name}": said for name, said in error.by_name.items()}
        )
        answer = problem(422, str(wrong), by_field=wrong.by_field)
    except errors.TailrunError as error:
        kind, detail = described(request, error)
        headers = _headers(kind, error)
        answer = problem(kind.status, detail, slug=kind.slug, headers=headers)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        answer = _http_problem(request, error)
    except BodyTimeoutError:
        answer = problem(408, "The body did not arrive in time.")
    except ConnectionError:
        answer = problem(500, "The client has gone.")
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        answer = problem(500, "The server failed; its log says why.")
    if request.get(BEGAN) and request.transport is not None:
        # What went out already is not all, and the client must learn of it.
        request.transport.abort()
    return answer


async def mark_begun(request: web.Request, _response: web.StreamResponse) -> None:
    """Remember that an answer goes out, so that no other can be given (a signal handler)."""
    request[BEGAN] = True


def cut(text: str, characters: int) -> str:
    """Return a text of at most so many characters; an ellipsis shows that it was cut."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def shown(text: str) -> str:
    """Quote what a client sent: what cannot be seen is escaped, what is long is cut."""
    return repr(cut(text, SHOWN_CHARACTERS))


def described(request: web.Request, error: errors.TailrunError) -> tuple[Kind, str]:
    """Describe an error of the domain: its kind and the detail that the client may see."""
    kind = next(KINDS[one] for one in type(error).__mro__ if one in KINDS)
    if kind.detail is not None:  # the message names hosts or paths, for the log alone
        logger.warning("%s %s: %s", request.method, request.path, error)
    return kind, kind.detail or str(error)


def _headers(kind: Kind, error: errors.TailrunError) -> Mapping[str, str]:
    """Return what an answer to an error has besides."""
    headers = HEADERS.get(kind.status, {})
    if isinstance(error, errors.TooManyGuessesError):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, errors.HookRefusedError):  # no token would help
        return {"WWW-Authenticate": "Signature"}
    if isinstance(error, errors.CredentialRefusedError):  # RFC 6750, section 3.1
        return headers | {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return headers


def _http_problem(request: web.Request, error: web.HTTPException) -> web.Response:
    headers = {
        name: error.headers[name] for name in ("Allow", "Content-Range") if name in error.headers
    }
    if error.status == 404:
        meant = near(request.path, (one.canonical for one in request.app.router.resources()))
        hint = "" if meant is None else f" Did you mean {meant}?"
        detail = f"There is nothing at {shown(request.path)}.{hint}"
    elif error.status == 405:
        detail = (
            f"{shown(request.path)} does not take {request.method}; it takes {headers['Allow']}."
        )
    elif error.status == 413:
        detail = "The body is larger than the limit TAILRUN_MAX_BODY_BYTES."
    else:
        detail = error.text or error.reason
    return problem(error.status, detail, headers=headers)
