"""With TLS and keys: who is let in, what is said where it fails, and what costs nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from server.errors import NoAnswerError
from server.services.fleet.engine_users import User, users_file
from server.wire import asking, subjects
from server.wire.asking import Servers
from server.wire.bells import Bells, ring
from server.wire.connection import Wire
from server.wire.messages import Claim, Claimed
from server.wire.serving import serve_workers
from tests.support.certificates import make_certificate
from tests.support.nats import SERVER_MAY, Nats, engine, new_host, worker_may
from tests.support.proxies import free_port, snippet
from tests.support.service import ROOT
from tests.support.waiting import until
from tests.support.wires import Connect


async def claimed(_host: str, _request: Claim) -> Claimed:
    return Claimed(runs=())


async def told(wire: Wire) -> str:
    """Return why there is no connection."""
    await until(lambda: "cannot be reached:" in wire.problem)
    return wire.problem


async def test_hosts_with_keys_speak_over_tls_and_no_other_does(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = make_certificate(tmp_path / "pair")
    other = make_certificate(tmp_path / "other")
    server, worker, stranger = [new_host(tmp_path, name) for name in ("s", "w", "stranger")]
    keys = {server.key.public: SERVER_MAY, worker.key.public: worker_may("w", ["a"])}
    async with engine(tmp_path, pair=pair, keys=keys) as nats:
        trusted = {"ca_file": pair.certificate}
        serves = await connect(nats.url, "s", seed_file=server.seed_file, **trusted)
        works = await connect(nats.url, "w", seed_file=worker.seed_file, **trusted)
        async with serve_workers(serves, {"claim": claimed}):
            assert await Servers(works, "w").ask(Claim(places=1)) == Claimed(runs=())
            monkeypatch.setattr(asking, "TIMEOUT_SECONDS", 0.3)
            with pytest.raises(NoAnswerError):  # the engine lets it speak for itself alone
                await Servers(works, "other").ask(Claim(places=1))

        wrong = await connect(
            nats.url, "w", connected=False, seed_file=stranger.seed_file, **trusted
        )
        said = await told(wrong)
        assert f"it refuses this host, whose key is {stranger.key.public}" in said
        assert "tailrun nats-config" in said
        none = await connect(nats.url, "w", connected=False, **trusted)
        assert "it refuses this host, which has no key" in await told(none)
        wrong = await connect(
            nats.url, "w", connected=False, seed_file=worker.seed_file, ca_file=other.certificate
        )
        said = await told(wrong)
        assert "its certificate is not trusted" in said
        assert "TAILRUN_NATS_CA_FILE" in said


async def test_the_documented_configuration_lets_a_server_and_a_worker_in(
    tmp_path: Path, connect: Connect
) -> None:
    pair = make_certificate(tmp_path / "pair")
    server, worker = new_host(tmp_path, "s"), new_host(tmp_path, "w")
    port, users = free_port(), "tailrun-users.conf"
    known = User(worker.key.public, "w", 'w"\n}', ["build"])
    (tmp_path / users).write_text(users_file([server.key.public], [known], file=users))
    changes = {
        "port: 4222": f'host: "127.0.0.1"\nport: {port}',
        "/etc/nats/certificate.pem": str(pair.certificate),
        "/etc/nats/key.pem": str(pair.key),
        "/run/nats/nats.pid": str(tmp_path / "nats.pid"),
    }
    nats = Nats(tmp_path, pair=pair)
    nats.configure(snippet("nats", 0), port, changes)
    try:
        await nats.start()
        trusted = {"ca_file": pair.certificate}
        serves = await connect(nats.url, "s", seed_file=server.seed_file, **trusted)
        works = await connect(nats.url, "w", seed_file=worker.seed_file, **trusted)
        bells = Bells(works, ["build"])
        await bells.hear()
        async with serve_workers(serves, {"claim": claimed}):
            assert await Servers(works, "w").ask(Claim(places=1)) == Claimed(runs=())
        for everybody in (False, True):
            await bells.wait(0)
            await ring(serves, "build", everybody=everybody)
            assert await bells.wait(60)
        assert works.max_payload == 8 * 1024 * 1024
    finally:
        await nats.kill()


async def test_a_worker_reads_no_answer_of_another_one(tmp_path: Path, connect: Connect) -> None:
    """Answers hold scripts and secrets: each has an inbox of its own."""
    server, worker = new_host(tmp_path, "s"), new_host(tmp_path, "w")
    keys = {server.key.public: SERVER_MAY, worker.key.public: worker_may("w", ["a"])}
    async with engine(tmp_path, keys=keys) as nats:
        serves = await connect(nats.url, "s", seed_file=server.seed_file)
        works = await connect(nats.url, "w", seed_file=worker.seed_file)
        read: list[str] = []

        async def take(subject: str, _reply: str, _data: bytes) -> None:
            read.append(subject)

        own = subjects.inbox("w")
        for subject in ("tailrun.v1.inbox.>", f"{subjects.inbox('x')}.>", ">", "tailrun.v1.bell.b"):
            await works.listen(subject, take)
        await works.listen(f"{own}.>", take)
        await works.flush()
        for subject in (f"{subjects.inbox('x')}.1", "tailrun.v1.bell.b", f"{own}.1"):
            await serves.send(subject)

        await until(lambda: read)
        assert read == [f"{own}.1"]


async def test_an_engine_without_tls_is_not_spoken_to_where_it_is_asked_for(
    tmp_path: Path, connect: Connect
) -> None:
    """As whoever stands between would have it: the first line of the engine is not protected."""
    host = new_host(tmp_path, "w")
    async with engine(tmp_path) as nats:
        url = nats.url.replace("nats://", "tls://")
        wire = await connect(url, "w", connected=False, seed_file=host.seed_file)

        assert "does not offer TLS" in await told(wire)
        assert not wire.connected


async def test_an_address_where_nobody_listens_is_told(tmp_path: Path, connect: Connect) -> None:
    async with engine(tmp_path) as nats:
        url = nats.url.replace("localhost", "127.0.0.1")
    wire = await connect(url, "w", connected=False)

    said = await told(wire)
    assert said.startswith(f"NATS at {url} cannot be reached: Connect call failed")


def test_nothing_of_the_engine_is_imported_without_it() -> None:
    """What is not used costs nothing: neither time nor memory."""
    program = (
        "import sys, server.serve, server.__main__;"
        "print(*(name for name in sys.modules if name.split('.')[0] == 'nats'"
        " or name.startswith('server.wire')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []
