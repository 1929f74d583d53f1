"""A fleet's key that servers of tests share, and workers that are enrolled without asking."""

from pathlib import Path

from server.wire.enrolment import Enrolment
from server.wire.keys import FleetKey, UserKey, write_own
from server.wire.signing import Signing

SEED = "SCAJVZGTKZYJLHV456MF44JT2WSPN3GOPS6HQNWL7K5BXYAVFAXLK2XHG4"
FLEET = FleetKey(SEED)

SERVERS = Signing(FLEET)
"""What servers sign with; they check nothing, so that a test's own words are heard."""

WORKERS = Signing(trusted=[FLEET.public])
"""What workers check by."""


def key_file(directory: Path) -> Path:
    """Return a file with the key, which is made in the directory if it is not there."""
    path = directory / "fleet.key"
    if not path.exists():
        write_own(path, f"{SEED}\n")
    return path


def enrol_by_hand(state_dir: Path, nats_url: str) -> None:
    """Have a worker trust the servers of tests: the way of one whose servers are a test's own."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    Enrolment(
        server="http://localhost",
        name=state_dir.name,
        nats_url=(nats_url,),
        nats_ca=None,
        verify_keys=(FLEET.public,),
    ).write(state_dir)


def new_key() -> str:
    """Return the public nkey of nobody."""
    return UserKey(UserKey.new_seed()).public
