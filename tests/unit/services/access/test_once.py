"""Secrets that are good once: sign-in links, and tickets of runs."""

import logging
from collections.abc import Callable
from uuid import uuid4

import pytest

from server.access import EVERY_GROUP, KnownBy, Principal, Right, Role
from server.errors import CredentialRefusedError, ForbiddenError, LimitReachedError
from server.services.access.links import LINK_SECONDS, LINKS_OF_ONE, Links
from server.services.access.tickets import TICKET_SECONDS, TICKETS_OF_ONE, Tickets

RUN, OTHER = uuid4(), uuid4()
LOCAL = Principal(name="local:alice", known_by=KnownBy.LOCAL, grants={EVERY_GROUP: Role.ADMIN})
EDITOR = Principal(
    name="oidc:bob", known_by=KnownBy.TOKEN, grants={"web": Role.EDITOR}, credential=uuid4()
)


class Clock:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answer(attempt: Callable[[], object]) -> str:
    """Return what somebody is told whose credential is refused."""
    with pytest.raises(CredentialRefusedError) as caught:
        attempt()
    return f"{type(caught.value).__name__}: {caught.value}"


def test_a_link_signs_in_who_made_it_once() -> None:
    links = Links()
    ticket = links.make(LOCAL)
    signed_in = links.exchange(ticket)
    assert (signed_in.name, signed_in.known_by) == ("local:alice", KnownBy.SESSION)
    assert answer(lambda: links.exchange(ticket))


def test_a_link_is_good_for_a_minute() -> None:
    clock = Clock()
    links = Links(clock=clock)
    first, second = links.make(LOCAL), links.make(LOCAL)
    clock.now += LINK_SECONDS - 0.1
    assert links.exchange(first).name == "local:alice"
    clock.now += 0.1
    assert answer(lambda: links.exchange(second))


@pytest.mark.parametrize("known_by", [one for one in KnownBy if one is not KnownBy.LOCAL])
def test_only_a_user_who_is_known_by_the_uid_makes_links(known_by: KnownBy) -> None:
    """A token would become all that its owner may, and a session would outlive itself."""
    told = "TAILRUN_AUTH is off" if known_by is KnownBy.EVERYBODY else "tailrun sign-in"
    with pytest.raises(ForbiddenError, match=told):
        Links().make(Principal(name="local:alice", known_by=known_by, grants=LOCAL.grants))


def test_a_ticket_reads_one_run_and_nothing_more() -> None:
    tickets = Tickets()
    holder = tickets.take(tickets.make(EDITOR, RUN), RUN)
    assert (holder.name, holder.known_by, holder.run) == ("oidc:bob", KnownBy.TICKET, RUN)
    assert (holder.credential, holder.ticket_of) == (EDITOR.credential, KnownBy.TOKEN)
    assert holder.may(Right.SEE, "web")
    assert not holder.may(Right.SEE, "mail")
    assert not holder.may(Right.OPERATE, "web")


def test_a_ticket_that_is_wrong_used_late_or_another_runs_gets_the_same_answer() -> None:
    clock = Clock()
    tickets = Tickets(clock=clock)
    used, other, none, late = (tickets.make(EDITOR, RUN) for _ in range(4))
    tickets.take(used, RUN)
    answers = {
        answer(lambda: tickets.take("wrong", RUN)),
        answer(lambda: tickets.take("", RUN)),
        answer(lambda: tickets.take("\udcff\0", RUN)),
        answer(lambda: tickets.take(used, RUN)),
        answer(lambda: tickets.take(other, OTHER)),
        answer(lambda: tickets.take(none, None)),
    }
    clock.now += TICKET_SECONDS
    answers.add(answer(lambda: tickets.take(late, RUN)))
    assert len(answers) == 1


def test_a_ticket_that_was_tried_at_another_run_is_used_up() -> None:
    tickets = Tickets()
    ticket = tickets.make(EDITOR, RUN)
    assert answer(lambda: tickets.take(ticket, OTHER))
    assert answer(lambda: tickets.take(ticket, RUN))


def test_by_a_ticket_nobody_makes_a_further_one() -> None:
    tickets = Tickets()
    holder = tickets.take(tickets.make(LOCAL, RUN), RUN)
    with pytest.raises(ForbiddenError):
        tickets.make(holder, RUN)


def test_tickets_that_wait_are_bounded_for_each_and_those_that_are_late_are_forgotten() -> None:
    clock = Clock()
    tickets, links = Tickets(clock=clock), Links(clock=clock)
    for _ in range(TICKETS_OF_ONE):
        tickets.make(EDITOR, RUN)
    with pytest.raises(LimitReachedError, match="30 seconds"):
        tickets.make(EDITOR, RUN)
    tickets.make(LOCAL, RUN)  # others have their own
    clock.now += TICKET_SECONDS
    tickets.take(tickets.make(EDITOR, RUN), RUN)
    assert len(tickets) == 0
    for _ in range(LINKS_OF_ONE):
        links.make(LOCAL)
    with pytest.raises(LimitReachedError, match="60 seconds"):
        links.make(LOCAL)


def test_no_secret_is_in_what_may_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tickets = Tickets()
    ticket = tickets.make(EDITOR, RUN)
    shown = f"{tickets!r} {vars(tickets)} {vars(tickets._tickets)}"
    shown += answer(lambda: tickets.take(ticket, OTHER))
    assert ticket not in shown
    assert ticket not in repr(tickets.take(tickets.make(EDITOR, RUN), RUN))
    assert ticket not in caplog.text
