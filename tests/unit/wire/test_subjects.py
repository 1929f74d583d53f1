import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import WireError
from server.wire import subjects

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def test_subjects_are_those_that_the_engine_is_configured_with() -> None:
    assert subjects.to_servers("8a1f-2", "claim") == "tailrun.v1.s.8a1f-2.claim"
    assert subjects.to_worker("8a1f-2", "read") == "tailrun.v1.w.8a1f-2.read"
    assert subjects.any_worker_asks("beat") == "tailrun.v1.s.*.beat"
    assert subjects.inbox("8a1f-2") == "tailrun.v1.inbox.8a1f-2"
    assert subjects.bell("build") == "tailrun.v1.bell.build"
    assert subjects.bell_of_all("build") == "tailrun.v1.bells.build"


@given(names, st.sampled_from(sorted(subjects.SERVER_WORDS)))
def test_who_asks_is_read_out_of_the_subject_again(host: str, word: str) -> None:
    assert subjects.parse(subjects.to_servers(host, word)) == (host, word)


@given(names, names)
def test_each_name_has_a_token_of_its_own_that_no_pattern_matches(one: str, other: str) -> None:
    mine, theirs = subjects.bell(one), subjects.bell(other)

    assert (mine == theirs) == (one == other)
    assert mine.count(".") == 3
    assert not set(" \t\r\n*>") & set(mine)
    assert mine.isascii()


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "tailrun.v1",
        "tailrun.v1.s.host",
        "tailrun.v1.s..claim",
        "tailrun.v1.s.host.read",
        "tailrun.v1.w.host.claim",
        "tailrun.v1.x.host.claim",
        "tailrun.v1.s.a.b.claim",
        "tailrun.v2.s.host.claim",
        "s.host.claim",
        "x.tailrun.v1.s.host.claim",
        "tailrun.v1.s.%FF.claim",
        "tailrun.v1.s.%00.claim",
    ],
)
def test_what_is_no_subject_of_ours_is_refused(subject: str) -> None:
    with pytest.raises(WireError):
        subjects.parse(subject)


@pytest.mark.parametrize(
    ("asked", "reply", "answered"),
    [
        (subjects.to_servers("w.1", "beat"), f"{subjects.inbox('w.1')}.a.b", True),
        (subjects.to_servers("w.1", "beat"), f"{subjects.inbox('w.12')}.a.b", False),
        (subjects.to_servers("w.1", "beat"), subjects.to_servers("w.1", "claim"), False),
        (subjects.to_servers("w.1", "beat"), "", False),
        (subjects.to_worker("w.1", "read"), f"{subjects.inbox('server')}.a.b", True),
        (subjects.to_worker("w.1", "read"), subjects.to_worker("w.2", "stop"), False),
    ],
)
def test_a_request_is_answered_in_an_inbox_of_whoever_asks(
    asked: str, reply: str, *, answered: bool
) -> None:
    assert subjects.is_answered(asked, reply) is answered
