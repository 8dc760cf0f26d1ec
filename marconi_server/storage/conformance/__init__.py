"""The storage conformance suite: a driver that passes it unmodified is supported."""

from marconi_server.storage.conformance.clock import ManualClock

__all__ = ["ManualClock"]
