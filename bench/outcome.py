"""What a load tool has to say at the end of a load over HTTP."""

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """The line of JSON that a load tool prints at the end.

    `p50` and `p99` are microseconds. `wrong` counts answers with another status than
    expected, `first_wrong` shows one; `unanswered` counts failures of connections.
    """

    requests: int
    microseconds: int
    p50: int
    p99: int
    wrong: int
    first_wrong: str
    unanswered: int
    timeouts: int

    @property
    def errors(self) -> int:
        """Everything that makes a measurement invalid; no answer at all is an error too."""
        return self.wrong + self.unanswered + self.timeouts + (self.requests == 0)

    @property
    def complaint(self) -> str:
        """What went wrong in words; empty if nothing did."""
        parts = []
        if self.wrong:
            parts.append(f"{self.wrong} wrong answers, such as: {self.first_wrong}")
        if self.unanswered:
            parts.append(f"{self.unanswered} failed connections")
        if self.timeouts:
            parts.append(f"{self.timeouts} timeouts")
        if not self.requests:
            parts.append("no answers")
        return "; ".join(parts)
