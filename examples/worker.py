"""A consumer that runs for ever, and does what a consumer should when things go wrong.

    python examples/worker.py http://127.0.0.1:8888 demo

* Nothing to do (204): it waits a little before it asks again.
* A long batch: it renews the claim when half of its time is gone, so that it does not run out.
* The claim is over (404, 403): it lets go of the rest; somebody else may have it by now.
* 503: it waits as long as `Retry-After` says, and repeats the request. It does the same, after
  a second, when the connection fails. Every request of a consumer may be repeated: at worst a
  claim whose answer was lost keeps its messages back until it expires.

A message may be handed out twice, for instance when a consumer dies before it deletes it. So
`process` has to be something that does no harm when it is done again.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import requests

CLAIM = {"ttl": 120, "grace": 60}
"""Seconds: how long we may hold messages, and how much longer they live at least."""

TIMEOUT = 60
"""Seconds to wait for an answer."""

IDLE = 1.0
"""Seconds between two looks at an empty queue, and after a connection that failed."""


class Consumer:
    """Takes messages from one queue, a batch at a time."""

    def __init__(
        self,
        url: str,
        queue: str,
        process: Callable[[Any], None],
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._queue = f"/v1/queues/{queue}"
        self._process = process
        self._sleep = sleep
        self._now = now
        self._session = requests.Session()

    def run(self, *, until_empty: bool = False) -> None:
        """Work through the queue, and then wait for more unless `until_empty`."""
        while True:
            if self.work_on_a_batch():
                continue
            if until_empty:
                return
            self._sleep(IDLE)

    def work_on_a_batch(self) -> bool:
        """Claim messages and work on them; tell whether there were any."""
        claimed = self._now()
        answer = self._request("POST", f"{self._queue}/claims", json=CLAIM)
        if answer.status_code == 204:
            return False
        claim = answer.headers["Location"]
        for message in answer.json():
            if self._now() - claimed > CLAIM["ttl"] / 2:
                claimed = self._now()
                if self._request("PATCH", claim, json=CLAIM).status_code == 404:
                    print(f"{claim} is over: others get the rest of its messages.")
                    break
            self._process(message["body"])
            if self._request("DELETE", message["href"]).status_code == 403:
                print(f"{message['href']} took too long: it is handed out once more.")
                break
        return True

    def _request(self, method: str, href: str, **parameters: Any) -> requests.Response:
        """Make a request, again and again while the server cannot answer it.

        :raises requests.HTTPError: it is wrong, and would be wrong the next time
        """
        while True:
            try:
                answer = self._session.request(
                    method, self._url + href, timeout=TIMEOUT, **parameters
                )
            except (requests.ConnectionError, requests.Timeout) as error:
                print(f"{method} {href}: {error}")
                self._sleep(IDLE)
                continue
            if answer.status_code == 503:
                print(f"{method} {href}: {answer.status_code} {answer.reason}")
                self._sleep(float(answer.headers.get("Retry-After", IDLE)))
            elif answer.status_code in (403, 404):
                return answer
            else:
                answer.raise_for_status()
                return answer


def main() -> None:
    parser = argparse.ArgumentParser(description="Print and delete the messages of a queue.")
    parser.add_argument("url", help="where the server is, such as http://127.0.0.1:8888")
    parser.add_argument("queue", help="name of the queue")
    parser.add_argument("--until-empty", action="store_true", help="stop when nothing is left")
    arguments = parser.parse_args()
    consumer = Consumer(arguments.url, arguments.queue, lambda body: print(json.dumps(body)))
    consumer.run(until_empty=arguments.until_empty)


if __name__ == "__main__":
    main()
