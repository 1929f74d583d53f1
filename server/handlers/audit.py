"""The route of the audit."""

from aiohttp import hdrs, web

from server.access import Whole
from server.handlers.http import negotiation, sending
from server.handlers.http.answers import base_path, json_response
from server.handlers.http.keys import AUDIT_READER, PRINCIPAL, VIEWERS
from server.handlers.http.operation import operation
from server.handlers.http.parameters import query
from server.handlers.schemas.audit import AuditPageAsked, AuditPageSchema, AuditQuery

JSON_LINES = "application/x-ndjson"


@operation(
    tag="access",
    summary="Who did what",
    description="The newest act first. A client that accepts application/x-ndjson gets all entries"
    " from the cursor on, a line each.",
    query=AuditQuery,
    produces=("application/json", JSON_LINES),
    answers={200: ("A page of the audit.", AuditPageSchema)},
)
async def list_audit(request: web.Request) -> web.StreamResponse:
    """Answer a page of the audit, or all of it as lines of JSON."""
    asked, audit = query(request, AuditPageAsked), request.app[AUDIT_READER]
    if negotiation.accepts_lines(request.headers.get(hdrs.ACCEPT, "")):
        response = web.StreamResponse(headers={"Vary": hdrs.ACCEPT})
        response.content_type = JSON_LINES
        if sending.bodiless(request, response):
            return await sending.send_head(request, response)
        with request.app[VIEWERS].admit(Whole.AUDIT, request, request[PRINCIPAL]) as place:
            lines = await audit.lines(asked.entries, asked.cursor)
            return await sending.send(request, place, response, lines)
    page = await audit.list(asked.entries, limit=asked.limit, cursor=asked.cursor)
    return json_response(
        AuditPageSchema.render(page, base_path(request)), headers={"Vary": hdrs.ACCEPT}
    )
