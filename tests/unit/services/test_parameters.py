"""Values of parameters, against the definition that they are for."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.definition import Options, Parameter, ParameterType, StartAsked
from server.errors import ParametersError
from server.services.parameters import (
    MAX_ENVIRONMENT_BYTES,
    MAX_VALUE_BYTES,
    NOTHING,
    Steps,
    checked,
    new_run,
)


def one(kind: str, **fields: Any) -> Parameter:
    return Parameter(name="P", type=ParameterType(kind), **fields)


def read(parameter: Parameter, value: object) -> object:
    """Return the text that a script gets of a value, or what is wrong with it."""
    try:
        found = checked([parameter], {"P": value})
    except ParametersError as error:
        return error.by_name["P"] if [*error.by_name] == ["P"] else error.by_name
    return found.environment.get("P")


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        (one("string"), "", ""),
        (one("string"), "$(id) `id` \x1b[31m * ~ \t ä 🎈 '\"\\", None),
        (one("text"), "a\r\nb\n", None),
        (one("secret"), "a\nb", None),
        (one("string", max_length=3), "äöü", None),
        (one("string", pattern="[a-z]+"), "abc", None),
        (one("text", pattern="a.c"), "a\nc", None),
        (one("integer"), 5, "5"),
        (one("integer"), 5.0, "5"),
        (one("integer"), "-05", "-5"),
        (one("integer"), -(2**63), "-9223372036854775808"),
        (one("integer", min=1, max=3), 3, "3"),
        (one("number"), 5, "5"),
        (one("number"), "0.5", "0.5"),
        (one("number"), 1e22, "1e+22"),
        (one("number"), 10**30, "1e+30"),
        (one("number"), "0" * 5000 + "1", "1.0"),
        (one("boolean"), True, "true"),
        (one("boolean"), False, "false"),
        (one("boolean"), "false", "false"),
        (one("choice", choices=("a", "b c")), "b c", None),
        (one("date"), "2028-02-29", None),
        (one("string", default="d"), None, "d"),
        (one("boolean", default=False), None, "false"),
        (one("string"), None, "is not set"),
    ],
)
def test_a_value_that_fits_is_what_the_script_gets(
    parameter: Parameter, value: object, text: str | None
) -> None:
    expected = {"is not set": None}.get(text or "", value if text is None else text)
    assert read(parameter, value) == expected


@pytest.mark.parametrize(
    ("parameter", "value", "said"),
    [
        (one("string"), 5, "It must be a text."),
        (one("string"), ["a"], "It must be a text."),
        (one("string"), "a\nb", "It must be one line; a parameter of the type text takes several."),
        (one("string"), "a\rb", "It must be one line; a parameter of the type text takes several."),
        (one("text"), "a\0b", "It must not contain NUL characters."),
        (one("secret"), "\udc80", "It must not contain lone surrogates."),
        (one("string", max_length=3), "abcd", "It must have at most 3 characters."),
        (one("string", pattern="[a-z]+"), "abc!", "It must match the pattern [a-z]+."),
        (one("string", pattern="a|b"), "ab", "It must match the pattern a|b."),
        (one("integer"), True, "It must be a whole number of at most 64 bits."),
        (one("integer"), 5.5, "It must be a whole number of at most 64 bits."),
        (one("integer"), 2**63, "It must be a whole number of at most 64 bits."),
        pytest.param(
            *(one("integer"), "9" * 5000, "It must be a whole number of at most 64 bits."),
            id="digits",
        ),
        (one("integer"), "٣", "It must be a whole number of at most 64 bits."),
        (one("integer", min=1), 0, "It must be at least 1."),
        (one("integer", min=1, max=3), 4, "It must be at least 1 and at most 3."),
        (one("number", max=0.5), 1, "It must be at most 0.5."),
        (one("number"), "nan", "Special numeric values (nan or infinity) are not permitted."),
        (one("number"), True, "It must be a number."),
        pytest.param(*(one("number"), 10**400, "Number too large."), id="large"),
        (one("boolean"), "yes", "It must be true or false."),
        (one("boolean"), 1, "It must be true or false."),
        (one("choice", choices=("a",)), "A", "It is none of the choices: give one of 'a'."),
        (one("choice", choices=("a",)), 5, "It is none of the choices: give one of 'a'."),
        (one("date"), "2027-02-29", "It must be a date such as 2026-12-31."),
        (one("date"), "20261231", "It must be a date such as 2026-12-31."),
        (one("date"), 5, "It must be a date such as 2026-12-31."),
        (one("string", required=True), None, "It is required: give one line of text."),
        (one("string", required=True), "", "It must not be empty: give one line of text."),
        (one("secret", required=True), "", "It must not be empty: give a text."),
        (one("number", required=True), None, "It is required: give a number."),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_told_what_would(
    parameter: Parameter, value: object, said: str
) -> None:
    assert said in str(read(parameter, value))


def test_a_value_has_64_kib_at_most() -> None:
    assert read(one("text"), "ä" * (MAX_VALUE_BYTES // 2)) == "ä" * (MAX_VALUE_BYTES // 2)
    assert "65,537 bytes" in str(read(one("text"), "x" * (MAX_VALUE_BYTES + 1)))


def test_all_values_have_a_bound_together_with_the_environment() -> None:
    parameters = [Parameter(name=f"P{n}", type=ParameterType.TEXT) for n in range(17)]
    values = {parameter.name: "x" * 60_000 for parameter in parameters}
    assert len(checked(parameters, values).plain) == 17
    environment = {"A": "y" * (MAX_ENVIRONMENT_BYTES - 17 * 60_000)}
    with pytest.raises(ParametersError, match="together with the environment"):
        checked(parameters, values, environment)


def test_secrets_are_apart_and_in_no_text_of_the_values() -> None:
    parameters = [one("secret"), Parameter(name="Q")]
    found = checked(parameters, {"P": "hidden", "Q": "shown"})
    assert (found.plain, found.secrets) == ({"Q": "shown"}, {"P": "hidden"})
    assert "hidden" not in repr(found)
    new = new_run(Options(parameters=tuple(parameters)), StartAsked(values={"P": "hidden"}))
    assert new.secrets == {"P": "hidden"}
    assert "hidden" not in repr(new)


def test_no_error_repeats_a_value() -> None:
    """It may be a secret, or one that was given to the wrong parameter."""
    kinds = [one(kind, choices=("a",), pattern="z", max_length=1) for kind in ParameterType]
    for parameter in kinds:
        assert "hidden" not in str(read(parameter, "hidden"))


def test_a_command_without_parameters_takes_no_values() -> None:
    assert checked([], {}) is NOTHING
    with pytest.raises(ParametersError, match=r"P: The command takes no parameters\."):
        checked([], {"P": None})


def test_names_that_schemas_have_themselves_are_names_of_parameters() -> None:
    names = ["TYPE_MAPPING", "OPTIONS_CLASS", "META", "X"]
    parameters = [Parameter(name=name) for name in names]
    values = dict.fromkeys(names, "v")
    assert checked(parameters, values).plain == values


def test_a_pattern_takes_linear_time() -> None:
    """Python's re would take longer than anybody lives."""
    assert "pattern" in str(read(one("text", pattern="(a*)*(a*)*b"), "a" * 60_000))


SLOW = "((.*a[ab]{200})|(.*b[ab]{201})|(.*a[ab]{202})|(.*b[ab]{203})|(.*a[ab]{204}))*"


def test_the_patterns_of_a_start_have_a_bound_together() -> None:
    """RE2's time is linear, and yet a second for such a pattern; nobody is served meanwhile."""
    assert "too long to match" in str(read(one("text", pattern=SLOW), "ab" * 30_000))
    assert "must match" in str(read(one("text", pattern=SLOW), "ab" * 300 + "c"))
    many = [Parameter(name=f"P{number}", pattern=SLOW) for number in range(100)]
    with pytest.raises(ParametersError) as told:
        checked(many, {parameter.name: "c" * 600 for parameter in many})
    told_of = [str(said) for said in told.value.by_name.values()]
    assert 1 < sum("must match" in said for said in told_of) < 50
    assert sum("too long to match" in said for said in told_of) > 50
    plain = [Parameter(name=f"P{number}", pattern="[a-z ]*") for number in range(10)]
    values = {parameter.name: "word " * 12_000 for parameter in plain}
    assert checked(plain, values).plain == values


def test_the_values_of_a_set_have_a_bound_together() -> None:
    parameters, steps = [one("text", pattern="[a-z]+")], Steps(2_000)
    assert checked(parameters, {"P": "a" * 200}, steps=steps).plain == {"P": "a" * 200}
    for _ in range(2):
        with pytest.raises(ParametersError, match="too long to match"):
            checked(parameters, {"P": "a" * 200}, steps=steps)
    assert checked(parameters, {"P": "a" * 200}).plain == {"P": "a" * 200}


@given(
    st.sampled_from([*ParameterType]),
    st.booleans(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    ),
)
def test_any_json_is_read_or_refused_by_name(
    kind: ParameterType, required: object, value: Any
) -> None:
    found = read(one(kind, required=bool(required), choices=("a", "")), value)
    assert isinstance(found, str | list | None)
    if isinstance(found, str):
        found.encode()
        assert "\0" not in found


@given(st.dates())
def test_a_date_is_read_as_it_is_written(day: date) -> None:
    assert read(one("date"), day.isoformat()) == day.isoformat()
