"""The exceptions of HttpCA: one tree, three families.

``RequesterError``
    The requester's fault. Its sentence is shown to them and says what to do.
``MessageRefused``
    A message that this side must not believe. It is dead-lettered, never executed.
``InfrastructureError``
    The database, the broker or the key is not there. It is waited out and never counts against
    a request.

Everything else is a defect of an item or of the program.
"""

from typing import Any


class HttpcaError(Exception):
    """Base of all exceptions that HttpCA raises itself."""


class RequesterError(HttpcaError):
    """The requester sent something that cannot be read or is not allowed.

    ``slug`` names the kind of problem (RFC 9457 ``type`` is ``/problems/SLUG``). ``template`` is the
    English sentence with ``%(name)s`` placeholders, which is also the key of its translations;
    ``params`` fills them. ``str()`` gives the English sentence. ``retry_after`` is in how many
    seconds the same may be tried again, None when that makes no difference.
    """

    retry_after: int | None = None

    def __init__(self, slug: str, template: str, **params: Any) -> None:
        self.slug = slug
        self.template = template
        self.params = params
        super().__init__(template % params if params else template)


class Unreadable(RequesterError):
    """What was sent cannot be read at all (HTTP 400)."""


class TooLarge(RequesterError):
    """What was sent is larger than is read (HTTP 413)."""


class Refused(RequesterError):
    """What was sent was read, and is not allowed (HTTP 422)."""


class TooMany(RequesterError):
    """More was asked for than is answered in a minute (HTTP 429)."""

    def __init__(self, template: str, retry_after: int, **params: Any) -> None:
        super().__init__("too-many-requests", template, seconds=retry_after, **params)
        self.retry_after = retry_after


class MessageRefused(HttpcaError):
    """A message on the broker fails a check and goes to the dead-letter queue.

    ``reason`` is a short static word (``bad-signature``, ``wrong-queue``, ...) that is safe to count
    by; ``sender`` is the role or name of the certificate when it is known, else ``unknown``.
    """

    def __init__(self, reason: str, sender: str = "unknown") -> None:
        self.reason = reason
        self.sender = sender
        super().__init__(f"{reason} (sender: {sender})")


class InfrastructureError(HttpcaError):
    """Something that HttpCA needs is out of reach for now; the work is tried again later."""


class BrokerUnavailable(InfrastructureError):
    """The broker did not take a message."""


class KeyUnavailable(InfrastructureError):
    """The key that should sign is out of reach (a token without its session, for example)."""


class ClockBehind(HttpcaError):
    """Our clock is behind what we wrote ourselves: what would be signed now would be dated wrongly."""


class SettingsError(HttpcaError):
    """A settings file is wrong: says which file, which key, what is wrong and what would be right."""

    def __init__(self, file: object, key: str, problem: str) -> None:
        self.file = str(file)
        self.key = key
        self.problem = problem
        where = f"{file}: {key}" if key else f"{file}"
        super().__init__(f"{where}: {problem}")


class ItemFailed(HttpcaError):
    """One request cannot be processed, whatever is tried; the message becomes its reason."""


def in_words(error: BaseException) -> str:
    """Return what an exception says; of the system's errors only the reason, for those who name the
    file themselves."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def N_(template: str) -> str:
    """Mark a sentence for translation where it stands; the web edge translates it when it is shown."""
    return template
