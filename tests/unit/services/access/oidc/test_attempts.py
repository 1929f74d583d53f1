"""A sign-in under way: of one browser, finished once and in time."""

import re

import pytest

from server.services.access.oidc import attempts
from server.services.access.oidc.attempts import ATTEMPT_SECONDS, Attempts
from server.services.access.oidc.failures import Reason, SignInFailedError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.5

    def __call__(self) -> float:
        return self.now


def assert_stale(found: Attempts, browser: str | None, state: str) -> None:
    with pytest.raises(SignInFailedError) as failed:
        found.finish(browser, state)
    assert failed.value.reason is Reason.STALE


def test_a_sign_in_is_found_again_by_its_browser_and_state() -> None:
    sign_ins = Attempts()
    begun = sign_ins.begin()
    assert sign_ins.finish(begun.browser, begun.state) == begun


def test_what_goes_out_does_not_tell_what_stays() -> None:
    """The provider and its logs see state and nonce; with them nobody else can finish it."""
    begun = Attempts().begin()
    secrets = {begun.browser, begun.state.partition(".")[2], begun.nonce, begun.verifier}
    assert len(secrets) == 4
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", begun.verifier)  # RFC 7636: 43 to 128 of these


def test_each_sign_in_has_values_of_its_own() -> None:
    sign_ins = Attempts()
    one, other = sign_ins.begin(), sign_ins.begin()
    for name in ("browser", "state", "nonce", "verifier"):
        assert getattr(one, name) != getattr(other, name)


def test_another_browser_cannot_finish_it() -> None:
    sign_ins = Attempts()
    one, other = sign_ins.begin(), sign_ins.begin()
    for browser in (None, "", other.browser, one.state, "x" * 43, one.browser + "x"):
        assert_stale(sign_ins, browser, one.state)
    assert sign_ins.finish(one.browser, one.state) == one


def test_another_state_does_not_finish_it() -> None:
    sign_ins = Attempts()
    begun = sign_ins.begin()
    time, _, proof = begun.state.partition(".")
    for state in (
        "",
        begun.nonce,
        f"{int(time) + 1}.{proof}",
        f"{time}.{proof[:-1]}",
        "1.é" + proof,
    ):
        assert_stale(sign_ins, begun.browser, state)


def test_it_is_finished_once() -> None:
    sign_ins = Attempts()
    begun = sign_ins.begin()
    sign_ins.finish(begun.browser, begun.state)
    assert_stale(sign_ins, begun.browser, begun.state)


def test_it_is_finished_in_time() -> None:
    clock = Clock()
    sign_ins = Attempts(clock)
    soon, late = sign_ins.begin(), sign_ins.begin()
    clock.now += ATTEMPT_SECONDS - 1
    assert sign_ins.finish(soon.browser, soon.state) == soon
    clock.now += 2
    assert_stale(sign_ins, late.browser, late.state)


def test_those_that_another_process_began_are_not_finished() -> None:
    begun = Attempts().begin()
    assert_stale(Attempts(), begun.browser, begun.state)


def test_those_that_are_finished_are_remembered_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_REMEMBERED", 2)
    sign_ins = Attempts()
    begun = [sign_ins.begin() for _ in range(3)]
    for one in begun:
        sign_ins.finish(one.browser, one.state)
    for one in begun[1:]:
        assert_stale(sign_ins, one.browser, one.state)
    assert len(sign_ins._finished) == 2
