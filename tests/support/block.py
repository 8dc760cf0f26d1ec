"""What lasts as long as a block of code."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class ForABlock(ABC):
    """Started where a `with` block begins, and closed where it ends, whatever happened."""

    @abstractmethod
    def start(self) -> None:
        """Start, and wait until it is of use."""

    @abstractmethod
    def close(self) -> None:
        """End it for good, also if it was started in part or not at all."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
