"""Promises of who may come in and do what, broken on purpose."""

from tests.torture.mutant import Mutant

SESSIONS = "tests/integration/services/access/test_sessions.py"
VIEWER_RIGHTS = "tests/integration/services/access/test_viewer_rights.py"
ONCE = "tests/unit/services/access/test_once.py"
TOKENS = "tests/integration/services/access/test_tokens.py"
REMEMBERED = "tests/unit/services/access/test_remembered.py"
ROLES = "tests/unit/test_access.py"

OF_ACCESS = (
    Mutant(
        "a clock that is set back gives sessions time",
        "server/services/access/sessions.py",
        "if is_early or now",
        "if now",
        (SESSIONS,),
    ),
    Mutant(
        "a session outlives another sign-in of its browser",
        "server/repositories/access/sessions.py",
        "hash = %(replaced)s OR ",
        "",
        (SESSIONS,),
    ),
    Mutant(
        "a ticket is good twice",
        "server/services/access/once.py",
        "return self._forget(key).value",
        "return self._kept[key].value",
        (ONCE,),
    ),
    Mutant(
        "a ticket is good for another run",
        "server/services/access/tickets.py",
        " or holder.run != run_id",
        "",
        (ONCE,),
    ),
    Mutant(
        "a cookie is taken from a page at another port",
        "server/handlers/http/origins.py",
        "if asked.is_same_origin and asked.fetch_site not in OTHER_SITES:",
        "if asked.fetch_site != 'cross-site':",
        ("tests/unit/handlers/http/test_guard.py",),
    ),
    Mutant(
        "who may not see the run's group any more watches on",
        "server/services/access/viewer_rights.py",
        "value=now.may(Right.SEE, group)",
        "value=True",
        (VIEWER_RIGHTS,),
    ),
    Mutant(
        "what a ticket opened outlives its maker's credential",
        "server/services/access/viewer_rights.py",
        "principal.ticket_of or principal.known_by",
        "principal.known_by",
        (VIEWER_RIGHTS,),
    ),
    Mutant(
        "a credential that has just ended opens a stream",
        "server/handlers/http/viewers.py",
        "if principal.credential in self._ended:",
        "if False:",
        ("tests/unit/handlers/http/test_viewers.py",),
    ),
    Mutant(
        "a token has all rights of its owner",
        "server/access.py",
        "name: min(role, held, key=lambda one: one.rank)",
        "name: held",
        (ROLES,),
    ),
    Mutant(
        "a token is made with more than its maker has",
        "server/services/access/tokens.py",
        " or held.rank < role.rank",
        "",
        (TOKENS,),
    ),
    Mutant(
        "what a token makes lives longer than it",
        "server/services/access/tokens.py",
        "return min(expires_at, found.token.expires_at)",
        "return expires_at",
        (TOKENS,),
    ),
    Mutant(
        "what a token made is not revoked with it",
        "server/repositories/access/tokens.py",
        "WHERE (id = %(id)s OR made_by = %(id)s)",
        "WHERE id = %(id)s",
        (TOKENS,),
    ),
    Mutant(
        "a token that leaked revokes the others of its owner",
        "server/services/access/tokens.py",
        "if principal.known_by is KnownBy.TOKEN and not (is_own or _governs(principal)):",
        "if False:",
        ("tests/integration/handlers/test_tokens.py",),
    ),
    Mutant(
        "the database's clock does not say that a token has expired",
        "server/services/access/tokens.py",
        "min((found.token.expires_at - now).total_seconds(), found.seconds_left)",
        "(found.token.expires_at - now).total_seconds()",
        (TOKENS,),
    ),
    Mutant(
        "a token outlives its time while it is remembered",
        "server/services/access/tokens.py",
        "if self._clock() >= held.value.ends_at:",
        "if False:",
        (TOKENS,),
    ),
    Mutant(
        "an answer of before a revocation is remembered",
        "server/services/access/remembered.py",
        "if self._forgotten == before:",
        "if self._forgotten >= before:",
        (REMEMBERED,),
    ),
    Mutant(
        "while one asks others take what was said an hour ago",
        "server/services/access/remembered.py",
        "return now - entry.said_at < seconds",
        "return seconds > 0",
        (REMEMBERED,),
    ),
    Mutant(
        "who is known from memory alone may do what he might before",
        "server/access.py",
        "if self.stale and right is not Right.SEE:",
        "if False:",
        (ROLES,),
    ),
    Mutant(
        "what is no HTTP is repeated in the answer",
        "server/handlers/http/protocol.py",
        "if isinstance(exc, HttpProcessingError):",
        "if False:",
        (
            "tests/acceptance/test_bad_input.py::test_what_is_no_http_is_refused_in_one_line_of_the_log",
        ),
    ),
)
