"""What comes with the code: its version, and where the files beside it are.

Those are in an installed wheel, or in a checkout.
"""

from importlib import metadata
from pathlib import Path

VERSION = metadata.version("tailrun")

_PACKAGE = Path(__file__).resolve().parent


def static_directory() -> Path:
    """Return the directory of the page's files."""
    return _find("static")


def docs_directory() -> Path:
    """Return the directory of the documentation: what problems' types and pages refer to."""
    return _find("docs")


def migrations_directory() -> Path:
    """Return the directory of the SQL migrations."""
    return _find("migrations")


def _find(name: str) -> Path:
    """Return the package's own directory of that name (a wheel), else its sibling (a checkout)."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
