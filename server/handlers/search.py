"""The route that searches a run's output."""

from aiohttp import web

from server.handlers.http.answers import base_path, json_response
from server.handlers.http.keys import RUNS, SEARCH
from server.handlers.http.operation import operation
from server.handlers.http.parameters import query, run_id
from server.handlers.schemas.search import SearchedSchema, SearchQuery
from server.services.search.search import Wanted


@operation(
    tag="runs",
    summary="Search a run's output",
    description="Lines that hold a text, or with `regex` match a pattern, in order. A call searches"
    " for up to 2 s, or until it has `limit` lines; `next` leads on.",
    query=SearchQuery,
    answers={200: ("What was found.", SearchedSchema)},
    errors=(410,),
)
async def get_search(request: web.Request) -> web.Response:
    """Answer the lines of an output that match."""
    run = run_id(request)

    def gone() -> bool:
        return request.transport is None or request.transport.is_closing()

    async with request.app[RUNS].output(run) as output:
        found = await request.app[SEARCH].search(
            str(run), output, query(request, Wanted), gone=gone
        )
    return json_response(SearchedSchema.render(found, base_path(request)))
