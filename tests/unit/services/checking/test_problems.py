"""What shells say, as they were heard to say it, becomes problems by line."""

import pytest

from server.services.checking.problems import (
    MESSAGE_CHARACTERS,
    MOST_PROBLEMS,
    Problem,
    problems_in,
)


@pytest.mark.parametrize(
    ("said", "line", "message"),
    [
        (
            "/dev/stdin: line 3: syntax error near unexpected token `fi'\n/dev/stdin: line 3: `fi'",
            3,
            "syntax error near unexpected token `fi'",
        ),
        (
            "/dev/stdin: line 2: warning: here-document at line 1 delimited by end-of-file",
            2,
            "warning: here-document at line 1 delimited by end-of-file",
        ),
        ('/dev/stdin: 3: Syntax error: "fi" unexpected', 3, 'Syntax error: "fi" unexpected'),
        ("/dev/stdin:2: parse error near `fi'", 2, "parse error near `fi'"),
        ("E: /dev/stdin[4]: no closing quote", 4, "no closing quote"),
        (
            "/dev/stdin: syntax error at line 3: `fi' unexpected",
            3,
            "syntax error: `fi' unexpected",
        ),
        (
            "/dev/stdin: warning: line 1: `...` obsolete, use $(...)",
            1,
            "warning: `...` obsolete, use $(...)",
        ),
        (
            '/dev/stdin: line 3: syntax error: unexpected "fi"',
            3,
            'syntax error: unexpected "fi"',
        ),
        ("/dev/stdin: line 0: it ends too soon", 1, "it ends too soon"),
    ],
    ids=["bash", "bash-warning", "dash", "zsh", "mksh", "ksh", "ksh-warning", "ash", "line-0"],
)
def test_a_problem_has_its_line_and_what_is_wrong(said: str, line: int, message: str) -> None:
    assert problems_in(f"something else\n{said}\n") == [Problem(line, message)]


def test_problems_are_bounded_in_number_and_length_and_told_once() -> None:
    same = "/dev/stdin: line 1: wrong\n" * 3
    assert problems_in(same) == [Problem(1, "wrong")]
    many = "".join(f"/dev/stdin: line {n}: {'x' * 1000}\n" for n in range(1, 200))
    found = problems_in(many)
    assert len(found) == MOST_PROBLEMS
    assert len(found[-1].message) == MESSAGE_CHARACTERS
