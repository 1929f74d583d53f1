"""Settings that would have scripts run for whoever is on the way are refused by name."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from server.errors import StartupError
from server.settings.groups import NatsSettings
from server.wire.address import Address
from server.wire.enrolment import SEED_FILE, Enrolment
from server.wire.keys import UserKey
from tests.support.certificates import make_certificate
from tests.support.fleet import FLEET
from tests.support.nats import new_host

# From the documentation of nkeys: a user's seed and the public key that belongs to it.
SEED = "SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_on_this_machine_neither_tls_nor_a_key_is_needed(host: str) -> None:
    address = Address.of(NatsSettings(url=(f"nats://{host}:4222",)))

    assert (address.tls, address.key) == (None, None)


def test_another_machine_is_spoken_to_with_tls_alone() -> None:
    urls = ("nats://localhost:4222", "nats://192.0.2.1:4222")
    with pytest.raises(StartupError, match=r"TAILRUN_NATS_URL: nats://192\.0\.2\.1:4222 .*tls://"):
        Address.of(NatsSettings(url=urls))


def test_a_host_has_a_key_of_its_own_which_is_made_once(tmp_path: Path) -> None:
    settings = NatsSettings(url=("tls://nats.example.org",))
    address = Address.of(settings).keyed(tmp_path)
    seed = tmp_path / SEED_FILE

    assert address.tls is not None
    assert address.key is not None
    assert stat.S_IMODE(seed.stat().st_mode) == 0o600
    again = Address.of(settings).keyed(tmp_path).key
    assert again is not None
    assert again.public == address.key.public

    other = tmp_path / "other"
    UserKey.make(other)
    named = Address.of(replace(settings, seed_file=other)).keyed(tmp_path)
    assert named.key is not None
    assert named.key.public != address.key.public


def test_settings_override_where_a_worker_was_told_that_hosts_meet(tmp_path: Path) -> None:
    pair = make_certificate(tmp_path)
    enrolment = Enrolment(
        server="https://runs.example.org",
        name="w",
        nats_url=("tls://nats.example.org",),
        nats_ca=pair.certificate.read_text(),
        verify_keys=(FLEET.public,),
    )

    address = Address.of(NatsSettings(), enrolment)
    assert address.urls == ("tls://nats.example.org",)
    assert address.tls is not None
    assert len(address.tls.get_ca_certs()) == 1
    here = NatsSettings(url=("nats://localhost",))
    assert Address.of(here, enrolment).urls == ("nats://localhost",)
    with pytest.raises(StartupError, match=r"tls://"):
        Address.of(NatsSettings(), replace(enrolment, nats_url=("nats://192.0.2.1",)))
    with pytest.raises(StartupError, match=r"worker\.json holds no certificates in PEM"):
        Address.of(NatsSettings(), replace(enrolment, nats_ca="none"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_seed_that_others_can_read_is_refused_with_the_mend(tmp_path: Path, mode: int) -> None:
    host = new_host(tmp_path, "host")
    host.seed_file.chmod(mode)

    with pytest.raises(StartupError, match=rf"TAILRUN_NATS_SEED_FILE.*{mode:04o}.*chmod 600"):
        Address.of(NatsSettings(url=("nats://localhost",), seed_file=host.seed_file))


@pytest.mark.parametrize(
    "text",
    ["", "secret", SEED[:-1], SEED[:-1] + "A", SEED.lower(), "SA" + SEED[2:], "\N{SNOWMAN}"],
)
def test_what_is_no_seed_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "seed"
    file.write_text(text)
    file.chmod(0o600)

    with pytest.raises(StartupError, match="does not hold the seed") as refused:
        UserKey.read(file, "TAILRUN_NATS_SEED_FILE")
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_seed_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    tmp_path.chmod(stat.S_IRWXU)
    with pytest.raises(StartupError, match=r"TAILRUN_NATS_SEED_FILE: .* cannot be read"):
        UserKey.read(tmp_path / name, "TAILRUN_NATS_SEED_FILE")


def test_a_key_is_what_the_makers_of_nkeys_say(tmp_path: Path) -> None:
    file = tmp_path / "seed"
    file.write_text(f"{SEED}\nwhat follows is not read\n")
    file.chmod(0o600)

    assert UserKey.read(file, "").public == (
        "UAMMBNV2EYR65NYZZ7IAK5SIR5ODNTTERJOBOF4KJLMWI45YOXOSWULM"
    )


def test_certificates_that_are_none_are_refused_by_the_setting(tmp_path: Path) -> None:
    url, seed_file = ("tls://localhost",), new_host(tmp_path, "host").seed_file
    (tmp_path / "none").write_text("none")

    for file in (tmp_path / "none", tmp_path / "missing"):
        with pytest.raises(StartupError, match=rf"TAILRUN_NATS_CA_FILE: {file} holds no"):
            Address.of(NatsSettings(url=url, seed_file=seed_file, ca_file=file))
    pair = make_certificate(tmp_path / "pair")
    assert Address.of(NatsSettings(url=url, seed_file=seed_file, ca_file=pair.certificate)).tls
