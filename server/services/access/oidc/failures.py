"""Why somebody could not be signed in."""

from enum import StrEnum


class Reason(StrEnum):
    """Why, in a word that the page has a sentence for; `stale` and `denied` are nobody's fault."""

    STALE = "stale"  # begun too long ago or in another browser, or finished already
    DENIED = "denied"  # the person said no at the provider, or the provider did
    UNNAMED = "unnamed"  # the provider says nothing by which to call the person
    NO_ACCESS = "no-access"  # nothing here is for them
    REFUSED = "provider-refused"  # what the provider says cannot be believed
    UNAVAILABLE = "provider-unavailable"  # it did not answer, or not in time
    BUSY = "busy"  # too many sign in at once
    DATABASE = "database-unavailable"  # what the sign-in gives cannot be stored now
    NO_PROVIDER = "no-provider"  # none is set
    PLAIN_HTTP = "plain-http"  # a cookie could be read on its way


class SignInFailedError(Exception):
    """Somebody could not be signed in: why, and what the log is told of it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def refused(detail: str) -> SignInFailedError:
    """Return the error for an answer of the provider that cannot be believed."""
    return SignInFailedError(Reason.REFUSED, f"the provider's answer is refused: {detail}")
