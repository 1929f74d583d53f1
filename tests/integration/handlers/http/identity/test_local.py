"""The kernel's word on whose a connection is, also where somebody tries to pass for another."""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from server.access import EVERY_GROUP, KnownBy, Principal, Role
from server.handlers.http.identity import local, sockdiag
from server.handlers.http.identity.local import Local, local_users
from server.handlers.http.identity.sockdiag import Endpoint, OwnerUnknownError, SockDiag
from server.settings.values import NamedGrant
from tests.support.others import AS_ROOT, NOBODY, open_directory
from tests.support.waiting import patience

OTHER = 1234
OWN = os.geteuid()
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close(2) sends RST


class Site:
    """A server on loopback addresses, which says whose its connections are."""

    def __init__(self, kernel: SockDiag) -> None:
        self.local = Local(local_users(OWN, []), kernel.uid_of, over_tcp=True)
        self.accepted: asyncio.Queue[asyncio.Transport] = asyncio.Queue()
        self._transports: list[asyncio.Transport] = []

    def protocol(self) -> asyncio.Protocol:
        protocol = Mock(spec=asyncio.Protocol)
        protocol.connection_made = self._accept
        protocol.eof_received = lambda: True
        return protocol

    def _accept(self, transport: asyncio.Transport) -> None:
        self._transports.append(transport)
        self.accepted.put_nowait(transport)

    async def close(self) -> None:
        for transport in self._transports:
            transport.abort()
        await asyncio.sleep(0)  # they close in the loop's next round

    def connect(
        self, client: socket.socket, server: asyncio.Server, address: str | None = None
    ) -> None:
        name = server.sockets[0].getsockname()
        client.connect((address or name[0], name[1]))


@pytest.fixture
def kernel() -> Iterator[SockDiag]:
    with SockDiag() as kernel:
        yield kernel


@pytest.fixture
async def site(kernel: SockDiag) -> AsyncIterator[Site]:
    site = Site(kernel)
    yield site
    await site.close()


@pytest.fixture
async def server(site: Site) -> AsyncIterator[asyncio.Server]:
    server = await asyncio.get_running_loop().create_server(site.protocol, "127.0.0.1", 0)
    yield server
    server.close()


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """Make what is made meanwhile another user's."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(OWN)


@contextmanager
def client_of(uid: int, family: socket.AddressFamily = socket.AF_INET) -> Iterator[socket.socket]:
    with as_user(uid):
        client = socket.socket(family)
    with client:
        yield client


async def accepted(site: Site) -> asyncio.Transport:
    async with patience():
        return await site.accepted.get()


@AS_ROOT
@pytest.mark.parametrize(
    ("host", "family", "address"),
    [
        ("127.0.0.1", socket.AF_INET, None),
        ("127.8.7.6", socket.AF_INET, None),
        ("127.0.0.1", socket.AF_INET6, "::ffff:127.0.0.1"),
        ("::1", socket.AF_INET6, None),
    ],
)
async def test_the_kernel_tells_whose_a_connection_is(
    site: Site, host: str, family: socket.AddressFamily, address: str | None
) -> None:
    server = await asyncio.get_running_loop().create_server(site.protocol, host, 0)
    for uid in [OWN, NOBODY, OTHER]:
        with client_of(uid, family) as client:
            site.connect(client, server, address)
            transport = await accepted(site)
            assert site.local.uid_of(transport) == uid
    server.close()


@AS_ROOT
async def test_an_ipv4_peer_of_an_ipv6_socket_is_known(site: Site) -> None:
    """A socket that takes both shows the address as ::ffff:127.0.0.1."""
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    server = await asyncio.get_running_loop().create_server(site.protocol, sock=both)
    with client_of(NOBODY) as client:
        site.connect(client, server, "127.0.0.1")
        transport = await accepted(site)
        assert transport.get_extra_info("peername")[0] == "::ffff:127.0.0.1"
        assert site.local.uid_of(transport) == NOBODY
    server.close()


@AS_ROOT
@pytest.mark.parametrize("linger", [False, True])
async def test_whoever_asks_and_goes_is_nobody(
    site: Site, server: asyncio.Server, *, linger: bool
) -> None:
    """What is left of a closed socket is told as root's."""
    with client_of(NOBODY) as client:
        site.connect(client, server)
        client.send(b"POST /api/v1/commands/ HTTP/1.1\r\n")
        transport = await accepted(site)
        if linger:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert site.local.uid_of(transport) is None


@AS_ROOT
async def test_one_that_has_only_stopped_sending_is_known(
    site: Site, server: asyncio.Server
) -> None:
    with client_of(NOBODY) as client:
        site.connect(client, server)
        transport = await accepted(site)
        client.shutdown(socket.SHUT_WR)
        assert site.local.uid_of(transport) == NOBODY


@AS_ROOT
async def test_a_port_that_our_own_user_has_next_makes_nobody_ours(
    site: Site, server: asyncio.Server
) -> None:
    """The other's request may wait to be read while its port is ours already."""
    with client_of(NOBODY) as client:
        client.bind(("127.0.0.1", 0))
        site.connect(client, server)
        name = client.getsockname()
        theirs = await accepted(site)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with client_of(OWN) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(name)
        site.connect(own, server)
        assert site.local.uid_of(theirs) is None
        ours = await accepted(site)
        assert site.local.uid_of(ours) == OWN


@AS_ROOT
async def test_a_port_that_our_own_user_listens_on_makes_nobody_ours(
    kernel: SockDiag, site: Site, server: asyncio.Server
) -> None:
    with client_of(NOBODY) as client:
        site.connect(client, server)
        name = client.getsockname()
        await accepted(site)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with socket.create_server(name), pytest.raises(OwnerUnknownError) as unknown:
        kernel.uid_of(Endpoint.of(name), Endpoint.of(server.sockets[0].getsockname()))
    assert not unknown.value.is_lasting


@AS_ROOT
async def test_a_connection_is_looked_at_once(site: Site, server: asyncio.Server) -> None:
    """It stays whose it was, whoever has its port next."""
    with client_of(NOBODY) as client:
        site.connect(client, server)
        transport = await accepted(site)
        assert site.local.uid_of(transport) == NOBODY
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert site.local.uid_of(transport) == NOBODY


@AS_ROOT
async def test_the_socket_in_the_state_directory_knows_root_and_our_own_user(
    kernel: SockDiag, site: Site
) -> None:
    """By the kernel's word too, should its mode ever let others in."""
    users = local_users(OTHER, [NamedGrant("nobody", Role.VIEWER, "web")])
    site.local = Local(users, kernel.uid_of, over_tcp=False)
    with open_directory() as directory:
        path = directory / "socket"
        server = await asyncio.get_running_loop().create_unix_server(site.protocol, path)
        path.chmod(0o777)
        for uid, name in [(0, "local:root"), (OTHER, "local:1234"), (1235, None)]:
            with client_of(OWN, socket.AF_UNIX) as client:
                with as_user(uid):
                    client.connect(str(path))
                transport = await accepted(site)
                found = site.local.of(asked(transport))
                assert (found and found.name) == name
        server.close()
    assert site.local.grants["local:root"] == {EVERY_GROUP: Role.ADMIN}
    assert site.local.grants["local:nobody"] == {"web": Role.VIEWER}


def asked(transport: asyncio.Transport, host: str = "localhost") -> web.Request:
    return make_mocked_request("GET", "/", headers={"Host": host}, transport=transport)


async def test_a_local_user_is_known_with_his_role(site: Site, server: asyncio.Server) -> None:
    with client_of(OWN) as client:
        site.connect(client, server)
        transport = await accepted(site)
        for host, is_known in [
            ("localhost:8000", True),
            ("[::1]", True),
            ("127.1.2.3", True),
            ("localhost.example", False),
            ("10.0.0.1", False),
            ("[", False),
        ]:
            found = site.local.of(asked(transport, host))
            assert (found is not None) == is_known, host
        principal = site.local.of(asked(transport))
        assert isinstance(principal, Principal)
        assert principal.known_by is KnownBy.LOCAL
        assert principal.grants == {EVERY_GROUP: Role.ADMIN}


def test_roles_of_a_user_in_several_groups_are_kept_together() -> None:
    grants = [
        NamedGrant("4711", Role.VIEWER, EVERY_GROUP),
        NamedGrant("4711", Role.ADMIN, "web"),
    ]
    found = local_users(OWN, grants)[4711]
    assert found.name == "local:4711"
    assert found.grants == {EVERY_GROUP: Role.VIEWER, "web": Role.ADMIN}


@pytest.mark.parametrize(
    ("uid_map", "is_known"),
    [("0 0 4294967295\n", True), ("0 100000 65536\n", False), (None, False)],
)
def test_a_uid_that_may_be_anybodys_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid_map: str | None, *, is_known: bool
) -> None:
    """Where the server is in a user namespace, users without a name there are all told as one."""
    monkeypatch.setattr(local, "UID_MAP", tmp_path / "uid_map")
    if uid_map is not None:
        (tmp_path / "uid_map").write_text(uid_map)
    users = local_users(local.OVERFLOW_UID, [])
    known = Local(users, SockDiag().uid_of, over_tcp=True)
    assert ("local:nobody" in known.grants) == is_known


async def test_a_kernel_that_does_not_tell_lets_nobody_in_and_that_is_said_once(
    site: Site,
    server: asyncio.Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sockdiag, "NETLINK_SOCK_DIAG", 31)  # there is none
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        with client_of(OWN) as client:
            site.connect(client, server)
            transport = await accepted(site)
            assert site.local.of(asked(transport)) is None
    assert caplog.text.count("local users cannot be told apart, so all must sign in") == 1


def test_the_kernel_is_not_believed_for_another_connection() -> None:
    """Nor for an answer that is cut short."""
    here, there = (Endpoint(ip_address("127.0.0.1"), port) for port in (1, 2))
    question = sockdiag._question(here, there)
    identity = question[sockdiag._REQUEST.size :]
    for state, ends, inode, size, is_known in [
        (sockdiag.ESTABLISHED, identity, 7, None, True),
        (sockdiag.FIN_WAIT2, identity, 7, None, True),
        (sockdiag.ESTABLISHED, identity, 0, None, False),
        (10, identity, 7, None, False),
        (6, identity, 7, None, False),
        (sockdiag.ESTABLISHED, sockdiag._question(there, here)[8:], 7, None, False),
        (sockdiag.ESTABLISHED, identity, 7, 20, False),
    ]:
        head = sockdiag._ANSWER.pack(socket.AF_INET, state, 0, 0)
        answer = (head + ends + sockdiag._OWNER.pack(0, 0, 0, 42, inode))[:size]
        if is_known:
            assert sockdiag._owner(answer, here, there) == 42
        else:
            with pytest.raises(OwnerUnknownError):
                sockdiag._owner(answer, here, there)
