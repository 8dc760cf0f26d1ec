"""Ids and markers: what they are made of, and what clients may send instead (spec 2)."""

# ruff: noqa: D102 - a test's name says what it shows

import re
from collections.abc import Callable
from contextlib import suppress

import pytest

from marconi_server.storage.conformance.support import BoundQueue, Cases
from marconi_server.storage.contract import Page, Store
from marconi_server.storage.errors import ClaimNotFound, MessageClaimed, MessageNotFound

IDENTIFIER = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
DIGITS = re.compile(r"[0-9]+", re.ASCII)

NO_NUMBERS = {
    "empty": "",
    "blank": " ",
    "word": "invalid",
    "nul": "\x00",
    "nul inside": "1\x001",
    "line feed": "1\n",
    "blank in front": " 1",
    "minus": "-1",
    "plus": "+1",
    "fraction": "1.0",
    "exponent": "1e3",
    "hexadecimal": "0x10",
    "underscore": "1_000",
    "not a number": "NaN",
    "full-width digits": "\uff11\uff12",
    "arabic digits": "\u0661\u0662",
    "superscript": "\u00b2",
    "letters": "\u65e5\u672c",
    "astral": "\U0001f600",
    "lone surrogate": "\ud800",
    "not utf-8": "\udcff",
    "path": "../../etc/passwd",
    "sql": "' OR '1'='1' --",
    "pattern": "%",
    "operator": '{"$gt": ""}',
    "list": "1,2",
    "100 KB": "x" * 100_000,
}
NUMBERS = {
    "zero": "0",
    "zeros": "0" * 1000,
    "2^31": str(2**31),
    "2^63 - 1": str(2**63 - 1),
    "2^63": str(2**63),
    "2^64": str(2**64),
    "100 KB of digits": "9" * 100_000,
}
HOSTILE = NO_NUMBERS | NUMBERS

# Queues are listed in the order of their bytes, and a surrogate has no bytes to compare.
TEXT = {name: text for name, text in HOSTILE.items() if name not in ("lone surrogate", "not utf-8")}

hostile = pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)


class IdentifierCases(Cases):
    """The alphabet, and strings that the driver never minted."""

    def test_the_alphabet_of_ids(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(50)
        ids += [queue.claim(limit=1).id for _ in range(50)]
        assert all(IDENTIFIER.fullmatch(identifier) for identifier in ids)

    def test_message_markers_are_digits(self, queue: BoundQueue) -> None:
        queue.post_numbers(50)
        markers = [queue.page(limit=count + 1).marker for count in range(50)]
        assert all(marker and DIGITS.fullmatch(marker) for marker in markers)
        assert len(set(markers)) == 50

    def test_queue_markers_are_names(self, store: Store) -> None:
        for name in ("a", "b", "c"):
            store.queues.create("project", name)
        page = store.queues.list("project", marker=None, limit=2, detailed=False)
        assert page.marker == "b"

    @hostile
    def test_as_message_id(self, queue: BoundQueue, hostile: str) -> None:
        ids = queue.post_numbers(2)
        claim = queue.claim(limit=1)
        with pytest.raises(MessageNotFound):
            queue.get(hostile)
        assert [m.id for m in queue.get_many(hostile, ids[1], hostile)] == [ids[1]]
        queue.delete(hostile)
        queue.delete(hostile, claim.id)
        queue.delete(hostile, hostile)
        queue.delete_many(hostile)
        assert queue.ids() == ids
        queue.delete_many(hostile, ids[1])
        assert queue.ids() == [ids[0]]

    @hostile
    def test_as_claim_id(self, queue: BoundQueue, hostile: str) -> None:
        (message_id,) = queue.post_numbers(1)
        claim = queue.claim()
        with pytest.raises(ClaimNotFound):
            queue.read_claim(hostile)
        with pytest.raises(ClaimNotFound):
            queue.renew(hostile)
        queue.release(hostile)
        with suppress(MessageClaimed):  # it may be well-formed for this driver
            queue.delete(message_id, hostile)
        assert queue.read_claim(claim.id) == claim

    @pytest.mark.parametrize("marker", NO_NUMBERS.values(), ids=NO_NUMBERS)
    def test_as_message_marker(self, queue: BoundQueue, marker: str) -> None:
        queue.post_numbers(2)
        assert queue.page(marker) == Page([], None)

    @pytest.mark.parametrize("marker", NUMBERS.values(), ids=NUMBERS)
    def test_numbers_as_message_marker(self, queue: BoundQueue, marker: str) -> None:
        # A number may be a position: then what lies behind it is shown.
        ids = queue.post_numbers(2)
        page = queue.page(marker)
        assert [message.id for message in page.items] in ([], ids)
        assert queue.ids() == ids

    @pytest.mark.parametrize(
        "marker",
        [NUMBERS["2^63"], NUMBERS["2^64"], NUMBERS["100 KB of digits"]],
        ids=["2^63", "2^64", "100 KB of digits"],
    )
    def test_beyond_all_positions(self, queue: BoundQueue, marker: str) -> None:
        queue.post_numbers(2)
        assert queue.page(marker) == Page([], None)

    @pytest.mark.parametrize("marker", TEXT.values(), ids=TEXT)
    def test_as_queue_marker(self, store: Store, queue: BoundQueue, marker: str) -> None:
        page = store.queues.list("project", marker=marker, limit=10, detailed=True)
        expected = [queue.name] if queue.name.encode() > marker.encode() else []
        assert [listed.name for listed in page.items] == expected

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda identifier: identifier + "0",
            lambda identifier: "0" + identifier,
            lambda identifier: identifier[:-1],
            lambda identifier: identifier[1:],
            lambda identifier: identifier + "\n",
            lambda identifier: identifier + " ",
            lambda identifier: identifier + "\x00",
            lambda identifier: "+" + identifier,
            lambda identifier: identifier[::-1] + identifier,
        ],
        ids=["longer", "zero", "cut", "beheaded", "line feed", "blank", "nul", "plus", "mirror"],
    )
    def test_something_like_an_id(self, queue: BoundQueue, spoil: Callable[[str], str]) -> None:
        (message_id,) = queue.post_numbers(1)
        claim = queue.claim()
        with pytest.raises(MessageNotFound):
            queue.get(spoil(message_id))
        assert queue.get_many(spoil(message_id)) == []
        queue.delete(spoil(message_id), claim.id)
        queue.delete_many(spoil(message_id))
        with pytest.raises(ClaimNotFound):
            queue.read_claim(spoil(claim.id))
        with pytest.raises(ClaimNotFound):
            queue.renew(spoil(claim.id))
        queue.release(spoil(claim.id))
        assert queue.read_claim(claim.id) == claim

    def test_letter_case_matters(self, queue: BoundQueue) -> None:
        posted = queue.post_numbers(50)
        claims = [queue.claim(limit=1).id for _ in range(50)]
        other_ids = {i.swapcase() for i in posted} - set(posted)
        other_claims = {i.swapcase() for i in claims} - set(claims)
        assert queue.get_many(*other_ids) == []
        for claim_id in other_claims:
            queue.release(claim_id)
        assert queue.counts() == (0, 50)

    def test_a_message_id_is_no_claim_id_and_the_reverse(self, queue: BoundQueue) -> None:
        (message_id,) = queue.post_numbers(1)
        claim = queue.claim()
        with pytest.raises(ClaimNotFound):
            queue.read_claim(message_id)
        with pytest.raises(MessageNotFound):
            queue.get(claim.id)
        queue.release(message_id)
        queue.delete(claim.id, claim.id)
        assert queue.read_claim(claim.id) == claim
