"""Errors as RFC 9457 problem details, all of them."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from server import errors

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RETRY_AFTER_SECONDS = 2
BEGAN = "tailrun_began"

STATUSES: Mapping[type[errors.TailrunError], HTTPStatus] = {
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.InvalidCursorError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LimitReachedError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.KeeperUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class InvalidInputError(Exception):
    """A request whose fields are wrong; `errors` tells what, by field."""

    def __init__(self, by_field: Mapping[str, list[str]]) -> None:
        super().__init__(by_field)
        self.by_field = by_field


def problem(
    status: int,
    detail: str,
    *,
    by_field: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Make a problem+json answer."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if by_field is not None:
        body["errors"] = by_field
    return web.Response(
        body=json.dumps(body).encode(),  # writes lone surrogates, which a body may name, as \ud800
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
        answer = problem(422, _summary(error.by_field), by_field=error.by_field)
    except errors.TailrunError as error:
        answer = _domain_problem(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        answer = _http_problem(request, error)
    except ConnectionError:
        answer = problem(500, "The client has gone.")
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        answer = problem(500, "The server failed; its log says why.")
    if request.get(BEGAN):
        _break_off(request)
    return answer


async def mark_begun(request: web.Request, _response: web.StreamResponse) -> None:
    """Remember that an answer goes out, so that no other can be given (a signal handler)."""
    request[BEGAN] = True


def _break_off(request: web.Request) -> None:
    """Cut the connection: what went out already is not all, and the client must learn of it."""
    if request.transport is not None:
        request.transport.abort()


def _summary(by_field: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in by_field.items())


def _domain_problem(error: errors.TailrunError) -> web.Response:
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
    return problem(status, str(error), headers=retry)


def _http_problem(request: web.Request, error: web.HTTPException) -> web.Response:
    headers = {
        name: error.headers[name] for name in ("Allow", "Content-Range") if name in error.headers
    }
    if error.status == 404:
        detail = f"There is nothing at {request.path}."
    elif error.status == 405:
        detail = f"{request.path} does not take {request.method}; it takes {headers['Allow']}."
    elif error.status == 413:
        detail = "The body is larger than the bound MAX_BODY_BYTES."
    else:
        detail = error.text or error.reason
    return problem(error.status, detail, headers=headers)
