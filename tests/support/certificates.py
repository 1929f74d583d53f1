"""Certificates of the tests' own."""

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """A certificate and its key, in files."""

    certificate: Path
    key: Path

    @property
    def settings(self) -> dict[str, str]:
        """What has a server use it."""
        return {"tls_certificate": str(self.certificate), "tls_key": str(self.key)}


def make_certificate(directory: Path, *, name: str = "localhost", key: str = "ec") -> Pair:
    """Make a certificate for a name and the loopback address; `key` is ec or rsa."""
    directory.mkdir(exist_ok=True)
    pair = Pair(directory / "certificate.pem", directory / "key.pem")
    kinds = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "1", "-newkey", *kinds[key]),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"),
            *("-keyout", str(pair.key), "-out", str(pair.certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return pair


def believing_all() -> ssl.SSLContext:
    """Return what has a client take any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
