"""What can go wrong between a client and a server, each by its name."""

from collections.abc import Mapping, Sequence


class ClientError(Exception):
    """A server refuses, or cannot be reached; the message is for people."""


class AwayError(ClientError):
    """No server answers, or it cannot do now what was asked: another try may help."""

    def __init__(self, message: str, *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        """The least time that the server asks to be left alone for."""


class AddressError(ClientError):
    """What answers is no Tailrun, or not one to be trusted: another try cannot help."""


class IncompleteError(ClientError):
    """A run's output ends before its last byte, however often it is asked for."""


class AmbiguousError(ClientError):
    """Several commands have this name."""


class GivenError(ClientError):
    """A value that is to be given cannot be had, or is given twice."""


class FilesError(ClientError):
    """What files of commands say is wrong, or they cannot be read; a line for each thing."""

    def __init__(self, told: Sequence[str]) -> None:
        super().__init__("\n".join(told))
        self.told = [*told]


class RefusedError(ClientError):
    """The server refuses; `kind` is the stable type of the problem (docs/api.md, "Problems")."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        kind: str,
        fields: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.fields = dict(fields or {})
        """What is wrong, by the name of the field or parameter."""


class NotSignedInError(RefusedError):
    """Nobody is signed in, or the token is not valid."""


class NotPermittedError(RefusedError):
    """Whoever asks may not do this."""


class NotFoundError(RefusedError):
    """What was asked for does not exist, or may not be seen."""


class ConflictError(RefusedError):
    """The thing is in a state that forbids what was asked."""


class DamagedError(RefusedError):
    """Bytes of the output are missing at the server, or differ from what was stored."""


class InvalidError(RefusedError):
    """Fields or parameters are wrong; `fields` names them."""
