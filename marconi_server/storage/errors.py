"""The only exceptions a storage driver raises.

HTTP turns them into answers in one place (`marconi_server.api.errors`). A driver
says in the reason what an operator has to know, without what clients have stored, and chains
the exception of its engine (`raise ... from error`). Anything else that leaves a driver
is a bug and becomes a 500.
"""

from typing import Final

LONGEST_QUOTE: Final = 80
"""Characters of an id or a name from a request that a text repeats (spec 15.1)."""


def quoted(value: str) -> str:
    """Return a value from a request in quotes, to be repeated; cut if it is long."""
    text = repr(value[:LONGEST_QUOTE])
    if len(value) <= LONGEST_QUOTE and len(text) <= LONGEST_QUOTE + 2:
        return text
    return text[: LONGEST_QUOTE + 1] + "…" + text[0]  # what cannot be printed is longer in quotes


class StorageError(Exception):
    """Base of everything a driver raises."""


class QueueNotFound(StorageError):
    """The queue does not exist in this project."""

    def __init__(self, *, queue: str, project: str | None) -> None:
        super().__init__(f"There is no queue {quoted(queue)} in project {quoted(project or '')}.")
        self.queue = queue
        self.project = project


class MessageNotFound(StorageError):
    """No visible message has this id in this queue."""

    def __init__(self, *, message_id: str, queue: str) -> None:
        super().__init__(f"There is no message {quoted(message_id)} in queue {quoted(queue)}.")
        self.message_id = message_id
        self.queue = queue


class ClaimNotFound(StorageError):
    """No live claim with messages left has this id in this queue."""

    def __init__(self, *, claim_id: str, queue: str) -> None:
        super().__init__(f"There is no claim {quoted(claim_id)} in queue {quoted(queue)}.")
        self.claim_id = claim_id
        self.queue = queue


class MessageClaimed(StorageError):
    """A deletion was refused because of claims; the message is kept (spec 6.8)."""

    def __init__(self, *, message_id: str, claim_id: str | None) -> None:
        if claim_id is None:
            reason = "it is claimed and no claim id was given"
        else:
            reason = f"claim {quoted(claim_id)} does not hold it now"
        super().__init__(f"Message {quoted(message_id)} was not deleted: {reason}.")
        self.message_id = message_id
        self.claim_id = claim_id


class StorageUnavailable(StorageError):
    """The engine failed or did not answer in time; the caller may try again (spec 9).

    Nothing of the operation is half done: either all of it took effect or none.
    Which of the two is not known when the engine fails while committing.
    """

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StorageConflict(StorageUnavailable):
    """The engine gave up because others changed the same data; nothing was done."""


class StorageUnusable(StorageError):
    """The store cannot be opened as configured. Raised at start only.

    `reason` says what is wrong and `remedy` what the operator can do, each one
    sentence: together they are the line that the command prints.
    """

    def __init__(self, *, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} {remedy}")
        self.reason = reason
        self.remedy = remedy
