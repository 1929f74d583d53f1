"""Files of commands: what is read of them, on which line what is wrong, and back again."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrun.errors import ClientError, FilesError, InvalidError
from tailrun.files.commands import placed, read_commands
from tailrun.files.difference import difference, summary
from tailrun.files.reading import read_yaml
from tailrun.files.writing import HEADER, as_yaml


def written(directory: Path, text: str, name: str = "commands.yaml") -> Path:
    file = directory / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("off", "off"),
        ("true", True),
        ("True", "True"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("1:30", "1:30"),
        ("0x1f", "0x1f"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("7", 7),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("'7'", "7"),
        ("~", None),
        ("", None),
        ("[no, 08]", ["no", "08"]),
    ],
)
def test_a_plain_scalar_is_what_json_has_or_a_text(tmp_path: Path, text: str, value: Any) -> None:
    assert read_yaml(written(tmp_path, f"it: {text}\n" if text else "it:\n")).value == {"it": value}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3: a stands in line 1 already."),
        ("a: &x 1\nb: *x\n", ":2: Aliases (`*name`) are not read: write it out."),
        ("a: {b: 1}\nc:\n  <<: {b: 1}\n", ":3: Merging (`<<`) is not read: write it out."),
        ("a: !!python/object:os.system 1\n", ":1: Tags ("),
        ("a:\n  ? [1, 2]\n  : 3\n", ":2: A name is to be a text."),
        ("a: 1\n---\nb: 2\n", ":3: Give one document a file."),
        (
            "a:\n- cron: */5 * * * *\n",
            ":2: did not find expected alphabetic or numeric character. Quote a text that",
        ),
        (
            "a:\n- cron: @daily\n",
            ":2: found character that cannot start any token. Quote a text that begins",
        ),
        ("a: [1,\nb: }\n", ":2: "),
        ("a: '\x01'\n", ": "),
        ("a: !!int x\n", ":1: It is no number that can be read."),
        ("a:\n" + "[" * 5000, ":2: "),
    ],
)
def test_what_yaml_leaves_to_surprise_is_refused_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(FilesError) as error:
        read_yaml(file)
    assert str(error.value).startswith(f"{file}{told}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FilesError, match=r"none\.yaml: No such file"):
        read_commands(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"commands:\n- key: \xe4\n")
    with pytest.raises(FilesError, match=r"latin.yaml:2: It is not in UTF-8."):
        read_commands(tmp_path / "latin.yaml")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FilesError, match=r"ends with .yaml or .yml"):
        read_commands(tmp_path / "empty")


def test_a_directory_is_all_its_files_and_a_script_lies_beside_its_command(tmp_path: Path) -> None:
    written(tmp_path, "commands:\n- {key: b, script_file: b.sh}\n", "b.yml")
    written(tmp_path, "echo b\n", "b.sh")
    written(tmp_path, "commands:\n- {key: a, script: echo a}\n", "deep/a.yaml")
    written(tmp_path, "nothing", ".hidden/c.yaml")
    assert [item.fields for item in read_commands(tmp_path)] == [
        {"key": "b", "script": "echo b\n"},
        {"key": "a", "script": "echo a"},
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- key: a\n", ":1: Begin it with `commands:`"),
        ("", ":1: Begin it with `commands:`"),
        ("commands: []\nversion: 1\n", ":2: version: Unknown field."),
        ("commands:\n- a\n", ":2: A command is to be a mapping of its fields."),
        ("commands:\n- {name: a}\n", ":2: key: Each command has one"),
        ("commands:\n- {key: 7}\n", ":2: key: Each command has one"),
        (
            "commands:\n- key: a\n  script_file: ../a.sh\n",
            ":3: script_file: ../a.sh is outside of this file's directory.",
        ),
        (
            "commands:\n- key: a\n  script_file: /etc/passwd\n",
            ":3: script_file: /etc/passwd is outside of this file's directory.",
        ),
        (
            "commands:\n- key: a\n  script_file: link\n",
            ":3: script_file: link is outside of this file's directory.",
        ),
        (
            "commands:\n- key: a\n  script_file: none.sh\n",
            ":3: script_file: There is no file none.sh beside it.",
        ),
        (
            "commands:\n- key: a\n  script: x\n  script_file: a.sh\n",
            ":4: Give script or script_file, not both.",
        ),
        ("commands:\n- key: a\n  script_file: 7\n", ":3: script_file: It is to be the name of"),
        (
            "commands:\n- key: a\n- key: b\n- key: a\n",
            ":4: key: a is the key of the command at {file}:2, too.",
        ),
    ],
)
def test_what_is_no_command_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "files" / "link").symlink_to(tmp_path / "outside")
    file = written(tmp_path, text, "files/commands.yaml")
    with pytest.raises(FilesError) as error:
        read_commands(file)
    assert str(error.value).startswith(f"{file}{told.replace('{file}', str(file))}")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    written(tmp_path, "commands:\n- {name: a}\n- {name: b}\n", "a.yaml")
    written(tmp_path, "a: [", "b.yaml")
    with pytest.raises(FilesError) as error:
        read_commands(tmp_path)
    assert len(error.value.told) == 3


def refused(**fields: list[str]) -> InvalidError:
    named = {name.replace("__", "."): told for name, told in fields.items()}
    return InvalidError("", status=422, kind="invalid-input", fields=named)


def test_what_the_server_refuses_is_told_by_file_and_line_with_how_to_write_it(
    tmp_path: Path,
) -> None:
    file = written(
        tmp_path,
        "commands:\n"
        "- key: a\n"
        "  colour: red\n"
        "- key: b\n"
        "  environment:\n"
        "    PORT: 8080\n"
        "    DEBUG: true\n"
        "  parameters:\n"
        "  - name: day\n"
        "    type: choice\n"
        "  script_file: b.sh\n",
    )
    written(tmp_path, "x", "b.sh")
    told = placed(
        refused(
            commands__0__colour=["Unknown field."],
            commands__0__script=["Missing data for required field."],
            commands__1__environment__PORT=["Not a valid string."],
            commands__1__environment__DEBUG=["Not a valid string."],
            commands__1__parameters__0__name=["It takes A-Z."],
            commands__1__script=["It is empty."],
            commands__1=["It is wrong."],
            prune=["No."],
        ),
        read_commands(file),
    )
    assert isinstance(told, FilesError)
    assert told.told == [
        "prune: No.",
        f"{file}:2: script: Missing data for required field.",
        f"{file}:3: colour: Unknown field.",
        f"{file}:4: It is wrong.",
        f'{file}:6: environment.PORT: Not a valid string. Write it as a text: "8080".',
        f'{file}:7: environment.DEBUG: Not a valid string. Write it as a text: "true".',
        f"{file}:9: parameters.0.name: It takes A-Z.",
        f"{file}:11: script: It is empty.",
    ]
    other: ClientError = InvalidError("No.", status=422, kind="invalid-input")
    assert isinstance(other, InvalidError)
    assert placed(other, []) is other


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029"), max_size=30)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.sampled_from(
        ["no", "1e3", "1E5", "010", "~", "null", "<<", "- a", "a: b", "x \n y", "\n"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, fields: Any
) -> None:
    command = {"key": "a", **fields, "key": "a"}  # noqa: F601
    for name in ("script_file", "script"):
        command.pop(name, None)
    file = tmp_path_factory.mktemp("files") / "commands.yaml"
    file.write_text(HEADER + as_yaml(command), encoding="utf-8")
    [item] = read_commands(file)
    assert item.fields == command


def test_a_script_is_written_as_it_is_read_by_people() -> None:
    assert as_yaml({"key": "a", "script": "#!/bin/sh\necho 'no'\n"}) == (
        "- key: a\n  script: |\n    #!/bin/sh\n    echo 'no'\n"
    )


def test_a_difference_shows_what_is_changed_and_nothing_else() -> None:
    items: list[dict[str, Any]] = [
        {"key": "same", "outcome": "unchanged", "changes": []},
        {
            "key": "new",
            "outcome": "created",
            "changes": [{"field": "script", "before": None, "after": "true"}],
        },
        {
            "key": "longer",
            "outcome": "created",
            "changes": [{"field": "script", "before": None, "after": "one\n\ntwo\n"}],
        },
        {
            "key": "old",
            "outcome": "changed",
            "changes": [
                {"field": "script", "before": "one\ntwo\n", "after": "one\nthree\n"},
                {"field": "description", "before": "of old", "after": None},
                {"field": "concurrency", "before": {"limit": 1}, "after": {"limit": 2}},
                {
                    "field": "schedules",
                    "before": [{"cron": "a"}, {"cron": "b"}],
                    "after": [{"cron": "c"}, {"cron": "b"}],
                },
                {"field": "hooks", "before": None, "after": [{"name": "push"}]},
            ],
        },
        {"key": "gone", "outcome": "deleted", "changes": []},
    ]
    assert [*difference(items)] == [
        "+ new: created",
        "    + script: true",
        "+ longer: created",
        "    script:",
        "      +one",
        "      +",
        "      +two",
        "~ old: changed",
        "    script:",
        "      @@ -1,3 +1,3 @@",
        "       one",
        "      -two",
        "      +three",
        "       ",
        "    - description: of old",
        '    - concurrency: {"limit": 1}',
        '    + concurrency: {"limit": 2}',
        "    schedules:",
        '      - {"cron": "a"}',
        '      + {"cron": "c"}',
        "    hooks:",
        '      + {"name": "push"}',
        "- gone: deleted",
    ]
    assert summary(items) == "2 created, 1 changed, 1 deleted, 1 unchanged"
