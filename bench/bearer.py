"""What a token costs, beside the same as a local user: starts of `echo`, and a stream's MB/s."""

from functools import partial

from bench import content, starts, throughput
from bench.peers import AT_A_TIME
from bench.session import Session
from bench.write import BLOCK_LINES, LINE_BYTES

TOKEN = {"name": "bench", "role": "editor", "group": "*"}


def bearer(session: Session) -> None:
    runs = session.sized(starts.RUNS, AT_A_TIME)
    lines = session.sized(throughput.LINES, BLOCK_LINES)
    command = content.writing(session.directory, lines)
    with session.service() as service:
        token = service.call("POST", "tokens/", TOKEN)["token"]
        start = partial(starts.ours, service, runs)
        size, sha256 = lines * LINE_BYTES, content.digest(lines)
        watch = partial(throughput.ours, size, sha256, service, command, "raw")
        session.in_turn(
            {
                "local": start,
                "token": partial(start, token),
                "local, raw": watch,
                "token, raw": partial(watch, token),
            }
        )
