"""The route that tells when lines were written."""

from aiohttp import web

from server.handlers.http.answers import json_response
from server.handlers.http.keys import MARKS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import query, run_id
from server.handlers.schemas.marks import MarksAsked, MarksQuery, MarksSchema
from server.output.lines import LineRange

ALL_LINES = LineRange(1, None)


@operation(
    tag="runs",
    summary="When were a run's lines written?",
    description="A mark says that the bytes from its offset on, up to the next one's, were first"
    " seen at its time. `lines` asks for those of lines: the first is valid where they start."
    " `at` asks for the last one at or before a time, or the first one if there is none.",
    query=MarksQuery,
    answers={200: ("The marks.", MarksSchema)},
    errors=(410,),
)
async def get_marks(request: web.Request) -> web.Response:
    """Answer marks of a run's output."""
    asked = query(request, MarksAsked)
    marks = request.app[MARKS]
    if asked.at is not None:
        found = await marks.at(run_id(request), asked.at)
    else:
        found = await marks.of_lines(run_id(request), asked.lines or ALL_LINES)
    return json_response({"items": [[*item] for item in found.items], "next": found.next})
