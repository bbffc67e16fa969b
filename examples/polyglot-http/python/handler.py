"""A WASI HTTP handler, written against the bindings that componentize-py makes of ../wit."""

from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    Method_Get,
    Method_Post,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

# The most that WASI lets pass in one blocking write.
CHUNK = 4096


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        url = urlsplit(request.path_with_query() or "/")
        match request.method(), url.path:
            case Method_Get(), "/python":
                respond(response_out, 200, [b"hello from python\n"])
            case Method_Get(), "/python/inspect":
                name = parse_qs(url.query).get("name", ["stranger"])[0]
                agent = b"".join(request.headers().get("user-agent")[:1]).decode()
                respond(response_out, 200, [f"name: {name}\nuser-agent: {agent}\n".encode()])
            case Method_Post(), "/python/echo":
                types = request.headers().get("content-type") or [b"application/octet-stream"]
                respond(response_out, 200, chunks(request), types[0])
            case _:
                respond(response_out, 404, [b"not found\n"])


def respond(response_out, status, body, content_type=b"text/plain"):
    response = OutgoingResponse(Fields.from_list([("content-type", content_type)]))
    response.set_status_code(status)
    outgoing = response.body()
    # From here the head is on its way, so a body that is a generator streams.
    ResponseOutparam.set(response_out, Ok(response))
    # A stream is a child of its body: it has to be closed before the body is finished.
    with outgoing.write() as stream:
        for chunk in body:
            for start in range(0, len(chunk), CHUNK):
                stream.blocking_write_and_flush(chunk[start : start + CHUNK])
    OutgoingBody.finish(outgoing, None)


def chunks(request):
    """The request's body as it comes in, never more than a chunk at a time."""
    with request.consume() as incoming, incoming.stream() as stream:
        while True:
            try:
                yield stream.blocking_read(16 * CHUNK)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return
                raise
