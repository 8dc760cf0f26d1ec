"""Version 1 of the API: its resources, and the operations that role rules speak of."""

from typing import Final

QUEUES: Final = "/v1/queues"
"""The path below which all queues are."""
