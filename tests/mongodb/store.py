"""What tests do to the database of a store behind its back."""

from marconi_server.storage.mongodb.schema import LEASE
from tests.mongodb.deployment import Client


def empty(client: Client, database: str) -> None:
    """Remove all queues and messages, the lease, and what transactions have been left open.

    A tenth of the time of a database for each test, with its collections and indexes.
    """
    client.admin.command("killAllSessions", [])
    client[database]["queues"].delete_many({})
    client[database]["messages"].delete_many({})
    client[database]["housekeeping"].delete_many({"deleted": True})
    client[database]["housekeeping"].update_one({"_id": LEASE}, {"$set": {"until": 0}})
