"""Domain exceptions. They know nothing of HTTP; handlers/http/problems.py maps them."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID


class TailrunError(Exception):
    """Something Tailrun refuses or cannot do; the message is for the user."""

    on_record = False
    """Whether the audit has it already."""


class NotFoundError(TailrunError):
    """The thing named does not exist."""


class CommandNotFoundError(NotFoundError):
    """There is no command of this id."""

    @classmethod
    def of(cls, command_id: UUID) -> "CommandNotFoundError":
        """Return the error for an id; it is the same where the command may not be seen."""
        return cls(f"There is no command {command_id}.")


class RunNotFoundError(NotFoundError):
    """There is no run of this id."""

    @classmethod
    def of(cls, run_id: UUID) -> "RunNotFoundError":
        """Return the error for an id; it is the same where the run may not be seen."""
        return cls(f"There is no run {run_id}.")


class ScheduleNotFoundError(NotFoundError):
    """There is no schedule of this id."""

    @classmethod
    def of(cls, schedule_id: UUID) -> "ScheduleNotFoundError":
        """Return the error for an id; it is the same where the schedule may not be seen."""
        return cls(f"There is no schedule {schedule_id}.")


class TokenNotFoundError(NotFoundError):
    """There is no token of this id."""


class HookNotFoundError(NotFoundError):
    """There is no hook of this id."""

    @classmethod
    def of(cls, hook_id: UUID) -> "HookNotFoundError":
        """Return the error for an id; it is the same where the hook may not be seen."""
        return cls(f"There is no hook {hook_id}.")


class GrantNotFoundError(NotFoundError):
    """There is no grant of this id."""


class WorkerNotFoundError(NotFoundError):
    """There is no worker of this id."""

    @classmethod
    def of(cls, worker_id: str) -> "WorkerNotFoundError":
        """Return the error for an id."""
        return cls(f"There is no worker {worker_id[:64]!r}.")


class TargetNotFoundError(NotFoundError):
    """There is no such notification target."""


class ConflictError(TailrunError):
    """The thing exists but is in a state that forbids what was asked."""


class CommandActiveError(ConflictError):
    """The command has an active run."""


class KeyTakenError(ConflictError):
    """Another command has the key."""

    key = ""

    @classmethod
    def of(cls, key: str) -> "KeyTakenError":
        """Return the error for a key."""
        error = cls(f"Another command has the key {key!r}.")
        error.key = key
        return error


class ConcurrencyLimitError(ConflictError):
    """As many runs of the command go on as it lets go on at a time."""


class PlanChangedError(ConflictError):
    """What a set of commands would change is not what was told before, or does not stay so."""


class CommandSetTooLargeError(TailrunError):
    """Too much is stored of the commands that a set names."""


class CommandChangedError(ConflictError):
    """The command is not of the version that the change was made for."""


class ScheduleChangedError(ConflictError):
    """The schedule is not of the version that the change was made for."""


class RunActiveError(ConflictError):
    """The run is active."""


class NoActiveRunError(ConflictError):
    """There is no active run to act on."""


class HostNotAwayError(ConflictError):
    """The run is not to be given up: its host is there, or none that others know of."""


class RunNotFollowedError(TailrunError):
    """The run has not ended, but this server does not follow it."""


class RequestRepeatedError(ConflictError):
    """A request of this key was answered before."""


class RequestChangedError(TailrunError):
    """The key of the request was used for another one."""


class NotSignedInError(TailrunError):
    """Nobody is signed in, and what is asked for needs somebody."""


class CredentialRefusedError(TailrunError):
    """A credential is unknown, wrong, expired or revoked: one answer for all."""

    MESSAGE = "The credential is not valid: it is unknown, wrong, expired or revoked."

    def __init__(self, message: str = MESSAGE) -> None:
        super().__init__(message)


class HookRefusedError(CredentialRefusedError):
    """A hook is not there, or what it was sent is not signed: one answer for all."""

    MESSAGE = (
        "The delivery is refused: there is no such hook, or it is not signed with the hook's"
        " secret, or was not sent just now."
    )

    def __init__(self, message: str = MESSAGE) -> None:
        super().__init__(message)


class ForbiddenError(TailrunError):
    """Whoever asks may see the thing, but not do this."""


class OtherLifeError(ForbiddenError):
    """Another process has the identity of this host, and its lease."""


class OtherPageError(ForbiddenError):
    """A session's cookie came with a request that is not known to be of our own page."""


class TooManyGuessesError(TailrunError):
    """Too many wrong credentials came from an address; it may try again after some seconds."""

    retry_after_seconds = 60

    @classmethod
    def of(cls, retry_after_seconds: int) -> "TooManyGuessesError":
        """Make one with the time to wait."""
        error = cls("Too many wrong credentials came from this address. Try again later.")
        error.retry_after_seconds = retry_after_seconds
        return error


class HookRateError(TooManyGuessesError):
    """More comes to a hook than it takes."""

    @classmethod
    def of(cls, retry_after_seconds: int) -> "HookRateError":
        """Make one with the time to wait."""
        error = cls(
            "More deliveries come to this hook than TAILRUN_MAX_HOOK_DELIVERIES_PER_MINUTE lets"
            " through. Try again later."
        )
        error.retry_after_seconds = retry_after_seconds
        return error


class HookBodyError(TailrunError):
    """What a hook was sent is to be read, and cannot be."""


class ArchiveDamagedError(TailrunError):
    """The archive lacks bytes of a run's output, or has others in their place, from `offset` on."""

    KIND = "archive damaged at byte"

    def __init__(self, offset: int) -> None:
        super().__init__(f"{self.KIND} {offset}")


class InvalidCursorError(TailrunError):
    """The cursor was not made by this service."""


class PatternRefusedError(TailrunError):
    """What is to be searched for is no pattern, or a too large one; the message says why."""


class ParametersError(TailrunError):
    """Values of a command's parameters that it does not take; `by_name` says what would fit."""

    by_name: Mapping[str, list[str]] = MappingProxyType({})

    @classmethod
    def of(cls, by_name: Mapping[str, list[str]]) -> "ParametersError":
        """Return the error for values, by the names of their parameters."""
        error = cls("; ".join(f"{name}: {' '.join(said)}" for name, said in by_name.items()))
        error.by_name = by_name
        return error


class LimitReachedError(TailrunError):
    """A bound of the service is reached; try again later."""


class DatabaseUnavailableError(TailrunError):
    """The database cannot be reached at the moment."""


class DatabaseReadOnlyError(DatabaseUnavailableError):
    """The database takes no changes at the moment: it is a standby, or was made read-only."""


class DatabaseRefusedError(DatabaseUnavailableError):
    """The database is there and refuses a statement, mostly for what one of its rows holds."""


class AuditUnavailableError(TailrunError):
    """An act can be put on record nowhere at the moment, and is not done."""


class KeeperUnavailableError(TailrunError):
    """The keeper cannot be reached at the moment."""


class WireError(TailrunError):
    """A message from another host, or to one, is none of those that this version knows."""


class WireVersionError(WireError):
    """A message is of another version than this one."""

    @classmethod
    def of(cls, version: object, known: int) -> "WireVersionError":
        """Return the error for a message's version."""
        return cls(
            f"A message of another host is of version {version!r}; this Tailrun knows version"
            f" {known}. Have servers and workers run the same version of Tailrun."
        )


class NotSignedError(WireError):
    """What a server is to have said is not signed by one of this fleet."""


class MessageTooLargeError(WireError):
    """A message is larger than what carries it takes."""

    @classmethod
    def of(cls, size: int, max_bytes: int) -> "MessageTooLargeError":
        """Return the error for a message of `size` bytes."""
        return cls(
            f"A message has {size} bytes, and the engine takes {max_bytes}. Raise max_payload in"
            " the configuration of nats-server."
        )


class NoAnswerError(TailrunError):
    """No other host has answered in time."""


class EngineUnavailableError(NoAnswerError):
    """The engine that hosts speak through cannot be reached at the moment."""


class OtherHostFailedError(TailrunError):
    """Another host could not do what it was asked; its log says why."""


class BackupError(TailrunError):
    """A backup cannot be made or restored; the message says why and how to mend it."""


class StartupError(TailrunError):
    """The service cannot start; the message says what is wrong and how to mend it."""


class StateDirectoryInUseError(StartupError):
    """Another server holds the state directory."""


class EnrolmentError(StartupError):
    """A worker cannot be enrolled, or NATS cannot be told of it."""
