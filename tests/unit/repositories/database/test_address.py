"""Where a database is, in words that may be shown."""

import pytest

from server.repositories.database.address import Address


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@there:5433/mine", "The database mine at there port 5433"),
        ("postgresql://", "The database theirs at elsewhere port 1"),
        ("postgresql://there", "The database theirs at there port 1"),
    ],
)
def test_what_a_url_leaves_out_is_what_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str
) -> None:
    for name, value in [("HOST", "elsewhere"), ("DATABASE", "theirs"), ("PORT", "1")]:
        monkeypatch.setenv(f"PG{name}", value)
    assert str(Address.parse(url)) == shown


def test_what_nobody_names_is_left_to_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGDATABASE", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    assert str(Address.parse("")) == "The database of the user's name at the default host"
