"""In which order a host speaks to the engine, by one that notes what it hears."""

import asyncio

from server.wire.address import Address
from server.wire.engine import Engine


async def test_what_waits_to_be_sent_goes_before_the_question_whether_it_has_come() -> None:
    """Else a host would take itself for one that is heard, and listened to, before it is."""
    heard: list[str] = []
    left = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload": 1048576, "headers": true}\r\n')
        while line := (await reader.readline()).decode().strip():
            heard.append(line.split()[0])
            if line == "PING":
                writer.write(b"PONG\r\n")
        writer.close()
        await writer.wait_closed()
        left.set()

    async def take(_subject: str, _reply: str, _data: bytes) -> None:
        raise AssertionError("nothing comes")

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    engine = await Engine.open(url, Address((url,)), name="host", inbox="inbox")
    try:
        await engine.listen("some", "", take)
        await engine.settled()
        assert heard == ["CONNECT", "PING", "SUB", "PING"]
    finally:
        await engine.drop()
        await left.wait()
        server.close()
        await server.wait_closed()
