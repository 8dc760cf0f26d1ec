"""What tests do to the database of a store behind its back."""

from tests.mongodb.deployment import Deployment


def empty(mongodb: Deployment, database: str) -> None:
    """Remove all queues and messages, and what transactions have been left open.

    A tenth of the time of a database for each test, with its collections and indexes.
    """
    with mongodb.client() as client:
        client.admin.command("killAllSessions", [])
        client[database]["queues"].delete_many({})
        client[database]["messages"].delete_many({})
        client[database]["housekeeping"].delete_many({"deleted": True})
