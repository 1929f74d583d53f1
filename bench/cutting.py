"""A relay that cuts connections: `python -m bench.cutting PORT BYTES` tells its own port.

Each is cut after so many bytes of answers.
"""

import asyncio
import sys
from contextlib import suppress

PIECE_BYTES = 256 * 1024


async def main(port: int, part_bytes: int) -> None:
    async def serve(asker: asyncio.StreamReader, answerer: asyncio.StreamWriter) -> None:
        answers, asking = await asyncio.open_connection("127.0.0.1", port)
        passing = asyncio.create_task(_pass_on(asker, asking))
        with suppress(OSError):
            await _answer(answers, answerer, part_bytes)
        answerer.transport.abort()
        asking.transport.abort()
        await passing

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _answer(answers: asyncio.StreamReader, answerer: asyncio.StreamWriter, left: int) -> None:
    while left and (data := await answers.read(min(left, PIECE_BYTES))):
        answerer.write(data)
        await answerer.drain()
        left -= len(data)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(PIECE_BYTES):
            writer.write(data)
            await writer.drain()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
