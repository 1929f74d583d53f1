"""Tables for a terminal."""

from tailrun.cli.table import table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    told = table(["ID", "NAME"], [["1", "long name"], ["22222", "b"]])
    assert told == "ID     NAME\n1      long name\n22222  b\n"


def test_without_rows_the_heads_stand_alone() -> None:
    assert table(["ID", "NAME"], []) == "ID  NAME\n"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    """Somebody may have written a row by hand."""
    assert table(["NAME"], [["a\x1b[2Jb\n"]]) == "NAME\na\\x1b[2Jb\\n\n"
