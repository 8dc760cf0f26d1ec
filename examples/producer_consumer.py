"""A producer and a consumer in one program: post two messages, claim them, delete them.

python examples/producer_consumer.py http://127.0.0.1:8888
"""

import argparse

import requests

QUEUE = "/v1/queues/testqueue1"
TIMEOUT = 60
"""Seconds to wait for an answer; without it, requests waits for ever."""


def ensure_queue(session: requests.Session, url: str) -> None:
    """Create the queue unless its stats are there."""
    stats = session.get(f"{url}{QUEUE}/stats", timeout=TIMEOUT)
    if stats.status_code == 404:
        session.put(f"{url}{QUEUE}", timeout=TIMEOUT).raise_for_status()
        print("Created the queue.")
    else:
        stats.raise_for_status()
        print(f"The queue is there, with {stats.json()['messages']['total']} messages.")


def produce(session: requests.Session, url: str) -> None:
    """Post two messages, each with a life of 60 seconds."""
    messages = [
        {"ttl": 60, "body": {"event": "backup started", "host": "db1"}},
        {"ttl": 60, "body": {"event": "backup finished", "host": "db1"}},
    ]
    answer = session.post(f"{url}{QUEUE}/messages", json=messages, timeout=TIMEOUT)
    answer.raise_for_status()
    for href in answer.json()["resources"]:
        print(f"Posted {href}")


def consume(session: requests.Session, url: str) -> None:
    """Claim up to two messages, process each, and delete it once that is done."""
    claim = session.post(
        f"{url}{QUEUE}/claims",
        params={"limit": 2},
        json={"ttl": 60, "grace": 60},
        timeout=TIMEOUT,
    )
    claim.raise_for_status()
    if claim.status_code == 204:
        print("There is nothing to claim.")
        return
    for message in claim.json():
        print(f"Processing {message['body']}")
        # The href names the claim: the server deletes only what we still hold.
        session.delete(url + message["href"], timeout=TIMEOUT).raise_for_status()
        print(f"Deleted {message['href']}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Post, claim and delete two messages.")
    parser.add_argument("url", help="where the server is, such as http://127.0.0.1:8888")
    url = parser.parse_args().url.rstrip("/")
    with requests.Session() as session:
        session.headers["Client-ID"] = "QClient1"
        ensure_queue(session, url)
        produce(session, url)
        consume(session, url)


if __name__ == "__main__":
    main()
