"""What servers say is signed for one message alone, and nothing else is believed."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import NotSignedError, StartupError
from server.wire import signing
from server.wire.codec import Parts, decode, encode
from server.wire.keys import FleetKey, PublicKey, UserKey, is_user
from server.wire.signing import SIGNATURE_BYTES, Signing
from tests.support.fleet import FLEET, SERVERS, WORKERS

OTHER = FleetKey(FleetKey.new_seed())
PARTS = Parts({"places": 3}, (b"one", b""))


def answer(
    subject: str = "tailrun.v1.s.w.claim",
    reply: str = "tailrun.v1.inbox.w.1",
    asked: bytes = b"asked",
) -> str:
    return signing.answer(subject, reply, asked)


ABOUT = answer()


@given(st.lists(st.binary(max_size=64)).map(tuple))
def test_what_is_signed_is_read_by_workers_and_by_readers_of_before(
    blobs: tuple[bytes, ...],
) -> None:
    data = SERVERS.written(Parts({"places": 3}, blobs), about=ABOUT)

    for parts in (WORKERS.read(data, about=ABOUT), decode(data)):
        assert parts.head == {"places": 3}
        assert parts.blobs[:-1] == blobs
        assert len(parts.blobs[-1]) == SIGNATURE_BYTES


@given(st.data())
def test_a_message_of_which_a_bit_was_changed_is_not_believed(data: st.DataObject) -> None:
    message = bytearray(SERVERS.written(PARTS, about=ABOUT))
    place = data.draw(st.integers(0, len(message) * 8 - 1))
    message[place // 8] ^= 1 << place % 8

    with pytest.raises(NotSignedError):
        WORKERS.read(bytes(message), about=ABOUT)


FORGED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "unsigned": lambda: encode(PARTS),
    "cut": lambda: SERVERS.written(PARTS, about=ABOUT)[:-1],
    "of another key": lambda: Signing(OTHER).written(PARTS, about=ABOUT),
    "the answer to another request": lambda: SERVERS.written(
        PARTS, about=answer(reply="tailrun.v1.inbox.w.2")
    ),
    "the answer to another word": lambda: SERVERS.written(
        PARTS, about=answer(subject="tailrun.v1.s.w.active")
    ),
    "the answer to another question": lambda: SERVERS.written(
        PARTS, about=answer(asked=b"asked otherwise")
    ),
    "a request": lambda: SERVERS.written(
        PARTS, about=signing.request("tailrun.v1.w.w.stop", "tailrun.v1.inbox.w.1")
    ),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_nothing_else_is_believed(forged: Callable[[], bytes]) -> None:
    with pytest.raises(NotSignedError, match="not signed with a key of this worker's fleet"):
        WORKERS.read(forged(), about=ABOUT)


def test_several_keys_may_be_trusted() -> None:
    both = Signing(trusted=[OTHER.public, FLEET.public])

    for key in (OTHER, FLEET):
        assert both.read(Signing(key).written(PARTS, about=ABOUT), about=ABOUT).head == PARTS.head


def test_a_key_is_made_once_and_is_its_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet.key"
    key = FleetKey.make(path)

    assert path.read_text().startswith("SC")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FleetKey.make(path).public == key.public
    path.chmod(0o640)
    with pytest.raises(StartupError, match=r"others may use .*chmod 600"):
        FleetKey.make(path)
    with pytest.raises(StartupError, match=r"missing/fleet\.key cannot be made"):
        FleetKey.make(tmp_path / "missing" / "fleet.key")


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    UserKey.make(tmp_path / "user")
    with pytest.raises(StartupError, match="fleet's key, which begins with SC"):
        FleetKey.read(tmp_path / "user", "TAILRUN_FLEET_KEY_FILE")
    user = UserKey(UserKey.new_seed()).public
    assert is_user(user)
    assert not is_user(FLEET.public)
    assert not is_user("U")
    for wrong in (user, "", "C", FLEET.public[:-1] + "A"):
        with pytest.raises(ValueError, match=r".*"):
            PublicKey(wrong)
