"""Errors as RFC 9457 problem details."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from server import errors
from server.handlers.http.guard import HOST_REFUSED, ORIGIN_REFUSED
from server.handlers.http.problems import (
    DETAIL_CHARACTERS,
    DOCUMENT,
    KINDS,
    SLUGS,
    InvalidInputError,
    mark_begun,
    problem,
    problems,
    shown,
)

ROOT = Path(__file__).parents[4]

CASES: list[tuple[Exception, int, str]] = [
    (errors.CommandNotFoundError("There is no command."), 404, "There is no command."),
    (errors.RunNotFoundError("There is no run."), 404, "There is no run."),
    (errors.CommandActiveError("It is active."), 409, "It is active."),
    (errors.NoActiveRunError("It has ended."), 409, "It has ended."),
    (errors.InvalidCursorError("No cursor."), 422, "No cursor."),
    (errors.LimitReachedError("Too many."), 503, "Too many."),
    (
        errors.DatabaseUnavailableError("The database x at secret.example is away."),
        503,
        "The database cannot be reached at the moment. Try again.",
    ),
    (
        errors.DatabaseReadOnlyError("The database x at secret.example takes no changes."),
        503,
        "The database is read-only at the moment. Try again.",
    ),
    (
        errors.KeeperUnavailableError("No /secret/keeper/socket."),
        503,
        "The keeper cannot be reached at the moment. Try again.",
    ),
    (web.HTTPNotFound(), 404, "There is nothing at '/asked'."),
    (
        web.HTTPMethodNotAllowed("GET", ["PUT", "POST"]),
        405,
        "'/asked' does not take GET; it takes POST,PUT.",
    ),
    (
        web.HTTPRequestEntityTooLarge(1, 2),
        413,
        "The body is larger than the limit TAILRUN_MAX_BODY_BYTES.",
    ),
    (web.HTTPBadRequest(text="The body is not JSON."), 400, "The body is not JSON."),
    (web.HTTPBadRequest(text=""), 400, "Bad Request"),
]


async def answer(error: Exception) -> tuple[web.StreamResponse, dict[str, Any]]:
    """Return what a request is answered with whose handler fails."""
    request = make_mocked_request("GET", "/asked", app=web.Application())
    response = await problems(request, failing(error))
    assert isinstance(response, web.Response)
    assert response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    told: dict[str, Any] = json.loads(response.body)
    assert told["status"] == response.status
    assert response.body.endswith(b"\n")
    return response, told


def failing(error: BaseException) -> Any:
    async def handler(_request: web.Request) -> web.StreamResponse:
        raise error

    return handler


@pytest.mark.parametrize(("error", "status", "detail"), CASES)
async def test_an_error_has_its_status_and_says_what_is_wrong(
    error: Exception, status: int, detail: str
) -> None:
    response, told = await answer(error)
    assert (response.status, told["detail"]) == (status, detail)
    assert told["title"]
    assert ("Retry-After" in response.headers) == (status == 503)


async def test_headers_that_belong_to_an_error_are_kept() -> None:
    response, _ = await answer(web.HTTPMethodNotAllowed("GET", ["PUT"]))
    assert response.headers["Allow"] == "PUT"
    error = web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": "bytes */5"})
    response, _ = await answer(error)
    assert response.headers["Content-Range"] == "bytes */5"


async def test_wrong_fields_are_named() -> None:
    response, told = await answer(InvalidInputError({"name": ["Too long.", "Ugly."], "x": ["?"]}))
    assert response.status == 422
    assert told["errors"] == {"name": ["Too long.", "Ugly."], "x": ["?"]}
    assert told["detail"] == "name: Too long. Ugly.; x: ?"


@given(st.text(), st.dictionaries(st.text(), st.lists(st.text())))
def test_whatever_was_sent_can_be_told(detail: str, by_field: dict[str, list[str]]) -> None:
    assert problem(422, detail, by_field=by_field).status == 422


def test_a_lone_surrogate_can_be_told() -> None:
    """It comes from JSON that names a field so, and UTF-8 cannot write it."""
    response = problem(422, "\ud800", by_field={"\ud800": ["Unknown field."]})
    assert isinstance(response.body, bytes)
    response.body.decode()
    assert list(json.loads(response.body)["errors"].values()) == [["Unknown field."]]


async def test_a_defect_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    response, told = await answer(ZeroDivisionError("secret"))
    assert response.status == 500
    assert "secret" not in str(told)
    [record] = caplog.records
    assert (record.levelno, "/asked" in caplog.text) == (logging.ERROR, True)
    assert "ZeroDivisionError: secret" in caplog.text


async def test_a_client_that_has_gone_is_not_worth_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await answer(ConnectionResetError("Cannot write to closing transport"))
    assert not caplog.records


async def test_redirects_and_cancellations_pass() -> None:
    for error in (web.HTTPFound("/there"), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await problems(make_mocked_request("GET", "/asked"), failing(error))


async def test_an_answer_passes() -> None:
    given = web.Response(text="hello")

    async def handler(_request: web.Request) -> web.StreamResponse:
        return given

    assert await problems(make_mocked_request("GET", "/asked"), handler) is given


@pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
async def test_an_answer_that_has_begun_is_broken_off() -> None:
    request = make_mocked_request("GET", "/asked")
    await mark_begun(request, web.StreamResponse())
    await problems(request, failing(errors.DatabaseUnavailableError("It is away.")))
    request.transport.abort.assert_called_once_with()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("error", "slug"),
    [
        (errors.CommandNotFoundError("x"), "command-not-found"),
        (errors.RunNotFoundError("x"), "run-not-found"),
        (errors.LimitReachedError("x"), "limit-reached"),
        (web.HTTPNotFound(), "no-such-path"),
        (InvalidInputError({"name": ["?"]}), "invalid-input"),
        (web.HTTPRequestEntityTooLarge(1, 2), "body-too-large"),
        (ZeroDivisionError(), "server-failed"),
        (web.HTTPPreconditionRequired(), "http-error"),
    ],
)
async def test_each_kind_of_error_has_a_type_of_its_own(error: Exception, slug: str) -> None:
    _, told = await answer(error)
    assert told["type"] == f"{DOCUMENT}#{slug}"


def test_every_type_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    section = text.partition("\n## Problems\n")[2].partition("\n## ")[0]
    told = re.findall(r'^\| <a id="([a-z-]+)"></a>`\1` \|', section, re.MULTILINE)
    slugs = {kind.slug for kind in KINDS.values()} | set(SLUGS.values())
    assert sorted(told) == sorted(slugs | {HOST_REFUSED, ORIGIN_REFUSED, "http-error"})


async def test_what_tells_of_the_host_goes_to_the_log_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, told = await answer(errors.DatabaseUnavailableError("x at secret.example is away."))
    assert "secret" not in str(told)
    assert "secret.example" in caplog.text


def test_what_was_sent_is_told_in_bounds() -> None:
    response = problem(422, "x" * 10 * DETAIL_CHARACTERS)
    assert isinstance(response.body, bytes)
    assert len(response.body) < 2 * DETAIL_CHARACTERS
    assert len(shown("\x1b" * 10_000)) < 500
    assert shown("\x1b[31m") == r"'\x1b[31m'"


def every(kind: type[errors.TailrunError]) -> Iterator[type[errors.TailrunError]]:
    for child in kind.__subclasses__():
        yield child
        yield from every(child)


NO_REQUEST_MEETS = {
    *(errors.StartupError, *every(errors.StartupError)),
    errors.BackupError,
}


@pytest.mark.parametrize(
    "kind", sorted(set(every(errors.TailrunError)) - NO_REQUEST_MEETS, key=str)
)
async def test_every_error_of_the_domain_has_a_status(kind: type[errors.TailrunError]) -> None:
    # Some have a message of their own, and take none.
    response, _ = await answer(kind.__new__(kind, "What is wrong."))
    assert 400 <= response.status < 600
    assert response.status != 500
