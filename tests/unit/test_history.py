"""The checks of the live tier turn red for each kind of violation, and only for those."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.live.checks import check
from tests.live.history import (
    Claim,
    Deletion,
    History,
    Outcome,
    Page,
    Post,
    Release,
    Renewal,
    Seen,
)

ACKNOWLEDGED, REFUSED, FAILED, UNKNOWN = Outcome


def seen(*bodies: str) -> tuple[Seen, ...]:
    return tuple(Seen(f"id-{body}", body) for body in bodies)


@dataclass
class Story:
    """A history made by hand: a step takes a second, a second after the one before.

    `at` gives the start and the end of a step that overlaps with others. The message with body
    x has the id "id-x". The story ends with a drain that finds the bodies `left`.
    """

    records: list[Any] = field(default_factory=list)
    now: float = 0.0

    def common(
        self,
        client: str,
        outcome: Outcome = ACKNOWLEDGED,
        at: tuple[float, float] | None = None,
        queue: str = "q",
    ) -> dict[str, Any]:
        start, end = at or (self.now + 1, self.now + 2)
        self.now = max(self.now, end)
        return {"client": client, "queue": queue, "start": start, "end": end, "outcome": outcome}

    def post(self, *bodies: str, **common: Any) -> None:
        record = Post(bodies=bodies, **self.common("producer", **common))
        if record.acknowledged:
            record = Post(bodies=bodies, ids=ids(*bodies), **self.last(record))
        self.records.append(record)

    def claim(self, claim_id: str, *bodies: str, ttl: int = 60, **common: Any) -> None:
        self.records.append(
            Claim(
                claim_id=claim_id,
                ttl=ttl,
                messages=seen(*bodies),
                **self.common("claimer", **common),
            )
        )

    def claim_nothing(self, **common: Any) -> None:
        self.records.append(Claim(ttl=60, **self.common("claimer", **common)))

    def renew(self, claim_id: str, ttl: int = 60, **common: Any) -> None:
        self.records.append(Renewal(claim_id=claim_id, ttl=ttl, **self.common("claimer", **common)))

    def release(self, claim_id: str, **common: Any) -> None:
        self.records.append(Release(claim_id=claim_id, **self.common("claimer", **common)))

    def delete(self, *bodies: str, claim_id: str = "", **common: Any) -> None:
        self.records.append(
            Deletion(ids=ids(*bodies), claim_id=claim_id, **self.common("claimer", **common))
        )

    def read(self, *bodies: str, reader: str = "reader", limit: int = 3, **common: Any) -> None:
        self.records.append(
            Page(messages=seen(*bodies), limit=limit, **self.common(reader, **common))
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds

    @staticmethod
    def last(record: Post) -> dict[str, Any]:
        names = ("client", "queue", "start", "end", "outcome")
        return {name: getattr(record, name) for name in names}

    def broken(self, *left: str) -> set[str]:
        """End the story and tell which promises were broken in it."""
        self.read(*left, reader="drain", limit=len(left) + 1)
        return {one.promise for one in check(History(self.records, "drain"))}


def ids(*bodies: str) -> tuple[str, ...]:
    return tuple(f"id-{body}" for body in bodies)


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_whole_sound_story(story: Story) -> None:
    story.post("a", "b")
    story.post("c")
    story.read("a", "b", "c")
    story.claim("k1", "a", "b")
    story.claim("k2", "c")
    story.renew("k1", ttl=100)
    story.delete("a", claim_id="k1")
    story.release("k1")
    story.claim("k3", "b")
    story.post("d")
    story.read("d")
    story.delete("c", "d")
    story.claim_nothing()
    assert story.broken("b") == set()


def test_a_violation_says_what_is_wrong(story: Story) -> None:
    story.post("a")
    story.read(reader="drain")
    (violation,) = check(History(story.records, "drain"))
    assert str(violation) == "P1: Message id-a was acknowledged, not deleted, and is gone."


def test_a_violation_is_reported_once(story: Story) -> None:
    story.post("a")
    story.read("a", "x", reader="one")
    story.read("a", "x", reader="two")
    story.read("a", reader="drain")
    assert len(check(History(story.records, "drain"))) == 1


def test_without_a_final_read_there_is_no_verdict(story: Story) -> None:
    story.post("a")
    with pytest.raises(ValueError, match="did not read queue 'q' to its end"):
        check(History(story.records, "drain"))


def test_a_final_read_has_to_reach_the_end(story: Story) -> None:
    story.post("a")
    story.read("a", reader="drain", limit=1)
    with pytest.raises(ValueError, match="did not read queue 'q' to its end"):
        check(History(story.records, "drain"))


def test_the_summary_counts_by_kind_and_outcome(story: Story) -> None:
    story.post("a")
    story.post("b", outcome=UNKNOWN)
    story.delete("a")
    summary = History(story.records, "drain").summary()
    assert summary.startswith("posts: 1 acknowledged, 1 unknown; claims: none; ")
    assert "deletions: 1 acknowledged" in summary


class TestLoss:
    """P1."""

    def test_acknowledged_and_gone(self, story: Story) -> None:
        story.post("a")
        assert story.broken() == {"P1"}

    @pytest.mark.parametrize("outcome", [REFUSED, FAILED])
    def test_gone_though_its_deletion_did_not_happen(self, story: Story, outcome: Outcome) -> None:
        story.post("a")
        story.delete("a", outcome=outcome)
        assert story.broken() == {"P1"}

    def test_gone_after_a_deletion_with_unknown_outcome(self, story: Story) -> None:
        story.post("a")
        story.delete("a", outcome=UNKNOWN)
        assert story.broken() == set()

    def test_still_there_after_a_deletion_with_unknown_outcome(self, story: Story) -> None:
        story.post("a")
        story.delete("a", outcome=UNKNOWN)
        assert story.broken("a") == set()

    @pytest.mark.parametrize("left", [(), ("a", "b")])
    def test_a_post_with_unknown_outcome_may_be_there_or_not(
        self, story: Story, left: tuple[str, ...]
    ) -> None:
        story.post("a", "b", outcome=UNKNOWN)
        assert story.broken(*left) == set()


class TestAlteration:
    """P2."""

    def test_a_body_that_nobody_posted(self, story: Story) -> None:
        story.post("a")
        story.read("a", "x")
        assert story.broken("a") == {"P2"}

    @pytest.mark.parametrize("outcome", [REFUSED, FAILED])
    def test_a_body_whose_post_did_not_happen(self, story: Story, outcome: Outcome) -> None:
        story.post("a", outcome=outcome)
        assert story.broken("a") == {"P2"}

    def test_a_body_of_another_queue(self, story: Story) -> None:
        story.post("a")
        story.read(reader="drain", queue="other")
        story.read("a", queue="other")
        assert story.broken("a") == {"P2"}

    def test_an_altered_body_under_the_old_id(self, story: Story) -> None:
        story.post("a")
        story.records.append(Page(limit=3, messages=(Seen("id-a", "A"),), **story.common("r")))
        assert "P2" in story.broken("a")

    def test_bodies_swapped_between_two_messages(self, story: Story) -> None:
        story.post("a", "b")
        swapped = (Seen("id-a", "b"), Seen("id-b", "a"))
        story.records.append(Page(limit=3, messages=swapped, **story.common("r")))
        assert story.broken("a", "b") == {"P2"}

    def test_one_post_stored_as_two_messages(self, story: Story) -> None:
        story.post("a")
        double = (*seen("a"), Seen("another", "a"))
        story.records.append(Page(limit=3, messages=double, **story.common("r")))
        assert story.broken("a") == {"P2"}

    def test_a_post_with_unknown_outcome_stored_as_two_messages(self, story: Story) -> None:
        story.post("a", outcome=UNKNOWN)
        double = (*seen("a"), Seen("another", "a"))
        story.records.append(Page(limit=3, messages=double, **story.common("r")))
        assert story.broken("a") == {"P2"}

    def test_an_id_given_to_two_messages(self, story: Story) -> None:
        story.records.append(Post(bodies=("a", "b"), ids=("1", "1"), **story.common("p")))
        story.records.append(Page(limit=3, messages=(Seen("1", "b"),), **story.common("drain")))
        assert "P2" in {one.promise for one in check(History(story.records, "drain"))}

    def test_fewer_ids_than_messages(self, story: Story) -> None:
        story.records.append(Post(bodies=("a", "b"), ids=("id-a",), **story.common("p")))
        assert story.broken("a", "b") == {"P2"}


class TestClaims:
    """P4."""

    def test_two_live_claims_on_one_message(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.claim("k2", "a")
        assert story.broken("a") == {"P4"}

    def test_two_claims_at_the_same_moment(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a", at=(3, 5))
        story.claim("k2", "a", at=(4, 6))
        assert story.broken("a") == {"P4"}

    def test_a_short_claim_inside_a_long_one(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a", ttl=1000)
        story.claim("k2", "a", ttl=60)
        story.wait(100)
        story.claim("k3", "a")
        story.read("a", reader="drain")
        assert len(check(History(story.records, "drain"))) == 2

    def test_a_renewed_claim_is_still_live(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.wait(50)
        story.renew("k1", ttl=60)
        story.wait(30)
        story.claim("k2", "a")
        assert story.broken("a") == {"P4"}

    def test_a_release_that_was_refused(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.release("k1", outcome=REFUSED)
        story.claim("k2", "a")
        assert story.broken("a") == {"P4"}

    def test_one_id_for_two_claims(self, story: Story) -> None:
        story.post("a", "b")
        story.claim("k1", "a")
        story.claim("k1", "b")
        assert story.broken("a", "b") == {"P4"}

    def test_a_message_twice_in_one_claim(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a", "a")
        assert "P4" in story.broken("a")

    def test_a_live_claim_that_cannot_be_renewed(self, story: Story) -> None:
        story.post("a", "b")
        story.claim("k1", "a", "b")
        story.delete("a", claim_id="k1")
        story.renew("k1", outcome=REFUSED)
        assert story.broken("b") == {"P4"}

    def test_a_live_claim_that_does_not_let_delete(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.delete("a", claim_id="k1", outcome=REFUSED)
        assert story.broken("a") == {"P4"}

    def test_after_release(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.release("k1")
        story.claim("k2", "a")
        assert story.broken("a") == set()

    def test_while_the_release_is_on_its_way(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.release("k1", at=(5, 9))
        story.claim("k2", "a", at=(6, 7))
        assert story.broken("a") == set()

    def test_after_a_release_with_unknown_outcome(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.release("k1", outcome=UNKNOWN)
        story.claim("k2", "a")
        assert story.broken("a") == set()

    def test_after_expiry(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.wait(60)
        story.claim("k2", "a")
        story.renew("k1", outcome=REFUSED)
        story.delete("a", claim_id="k1", outcome=REFUSED)
        assert story.broken("a") == set()

    def test_after_a_renewal_that_shortened_the_claim(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a", ttl=1000)
        story.renew("k1", ttl=60)
        story.wait(60)
        story.claim("k2", "a")
        assert story.broken("a") == set()

    def test_a_renewal_with_unknown_outcome_may_have_shortened_the_claim(
        self, story: Story
    ) -> None:
        story.post("a")
        story.claim("k1", "a", ttl=1000)
        story.renew("k1", ttl=60, outcome=UNKNOWN)
        story.wait(60)
        story.claim("k2", "a")
        assert story.broken("a") == set()

    def test_a_renewal_with_unknown_outcome_may_have_done_nothing(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a", ttl=60)
        story.renew("k1", ttl=1000, outcome=UNKNOWN)
        story.wait(60)
        story.claim("k2", "a")
        assert story.broken("a") == set()

    def test_a_claim_whose_answer_was_lost(self, story: Story) -> None:
        story.post("a")
        story.records.append(Claim(ttl=60, **story.common("c", outcome=UNKNOWN)))
        story.claim("k2", "a")
        assert story.broken("a") == set()

    def test_a_claim_emptied_by_deletions_is_gone(self, story: Story) -> None:
        story.post("a", "b")
        story.claim("k1", "a", "b")
        story.delete("a", claim_id="k1")
        story.delete("b", outcome=UNKNOWN)
        story.renew("k1", outcome=REFUSED)
        assert story.broken() == set()


class TestDeletion:
    """P5."""

    def test_listed_after_its_deletion(self, story: Story) -> None:
        story.post("a")
        story.delete("a")
        story.read("a")
        assert story.broken() == {"P5"}

    def test_claimed_after_its_deletion(self, story: Story) -> None:
        story.post("a")
        story.delete("a")
        story.claim("k1", "a")
        assert story.broken() == {"P5"}

    def test_back_at_the_end(self, story: Story) -> None:
        story.post("a")
        story.delete("a")
        assert story.broken("a") == {"P5"}

    def test_listed_while_it_was_deleted(self, story: Story) -> None:
        story.post("a")
        story.delete("a", at=(3, 6))
        story.read("a", at=(5, 7))
        assert story.broken() == set()

    def test_listed_after_a_deletion_with_unknown_outcome(self, story: Story) -> None:
        story.post("a")
        story.delete("a", outcome=UNKNOWN)
        story.read("a")
        assert story.broken() == set()


class TestOrder:
    """P6."""

    def test_a_later_post_before_an_earlier_one(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        assert story.broken("b", "a") == {"P6"}

    def test_two_readers_that_disagree(self, story: Story) -> None:
        story.post("a", at=(1, 3))
        story.post("b", at=(2, 4))
        story.read("a", "b")
        assert story.broken("b", "a") == {"P6"}

    def test_a_claim_and_a_reader_that_disagree(self, story: Story) -> None:
        story.post("a", at=(1, 3))
        story.post("b", at=(2, 4))
        story.claim("k1", "b", "a")
        assert story.broken("a", "b") == {"P6"}

    def test_a_batch_out_of_order_in_a_claim(self, story: Story) -> None:
        story.post("a", "b")
        story.claim("k1", "b", "a")
        story.delete("a", "b")
        assert story.broken() == {"P6"}

    def test_readers_that_disagree_only_all_together(self, story: Story) -> None:
        for body in "abc":
            story.post(body, at=(1, 4))
        story.claim("k1", "a", "b")
        story.release("k1")
        story.claim("k2", "b", "c")
        story.release("k2")
        story.claim("k3", "c", "a")
        story.delete("a", "b", "c")
        assert "P6" in story.broken()

    def test_a_post_seen_before_its_answer_precedes_what_is_posted_then(self, story: Story) -> None:
        story.post("a", at=(1, 20))
        story.claim("k1", "a", at=(2, 3))
        story.post("b", at=(4, 5))
        assert story.broken("b", "a") == {"P6"}

    def test_posts_at_the_same_time_come_in_any_order(self, story: Story) -> None:
        story.post("a", at=(1, 3))
        story.post("b", at=(2, 4))
        assert story.broken("b", "a") == set()

    def test_a_post_with_unknown_outcome_may_take_effect_late(self, story: Story) -> None:
        story.post("a", outcome=UNKNOWN)
        story.post("b")
        assert story.broken("b", "a") == set()

    def test_a_post_with_unknown_outcome_does_not_take_effect_early(self, story: Story) -> None:
        story.post("a")
        story.post("b", outcome=UNKNOWN)
        assert story.broken("b", "a") == {"P6"}

    def test_a_claim_of_a_later_message(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.claim("k1", "b")
        assert story.broken("a", "b") == {"P6"}

    def test_a_claim_of_a_later_message_of_one_batch(self, story: Story) -> None:
        story.post("a", "b")
        story.claim("k1", "b")
        assert story.broken("a", "b") == {"P6"}

    def test_a_claim_that_passes_over_a_released_message(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.claim("k1", "a")
        story.release("k1")
        story.claim("k2", "b")
        assert story.broken("a", "b") == {"P6"}

    def test_a_claim_that_passes_over_an_expired_claim(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.claim("k1", "a")
        story.wait(60)
        story.claim("k2", "b")
        assert story.broken("a", "b") == {"P6"}

    def test_a_claim_that_finds_nothing_though_a_message_is_free(self, story: Story) -> None:
        story.post("a")
        story.claim_nothing()
        assert story.broken("a") == {"P6"}

    def test_a_claim_may_take_less_than_there_is(self, story: Story) -> None:
        story.post("a", "b")
        story.claim("k1", "a")
        assert story.broken("a", "b") == set()

    def test_a_message_under_a_claim_is_passed_over(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.claim("k1", "a", ttl=60)
        story.wait(30)
        story.renew("k1", ttl=1000, outcome=UNKNOWN)
        story.wait(60)
        story.claim("k2", "b")
        story.claim_nothing()
        assert story.broken("a", "b") == set()

    def test_a_message_that_is_just_being_claimed_released_or_deleted(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.post("c")
        story.claim("k1", "a", at=(7, 9))
        story.claim("k2", "b", at=(8, 10))
        story.delete("a", claim_id="k1", at=(11, 13))
        story.claim("k3", "c", at=(12, 14))
        story.release("k2", at=(15, 17))
        story.claim_nothing(at=(16, 18))
        assert story.broken("b", "c") == set()

    def test_a_release_with_unknown_outcome_may_have_done_nothing(self, story: Story) -> None:
        story.post("a")
        story.claim("k1", "a")
        story.release("k1", outcome=UNKNOWN)
        story.claim_nothing()
        assert story.broken("a") == set()

    def test_a_claim_whose_answer_was_lost_may_hold_a_message(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.records.append(Claim(ttl=60, **story.common("c", outcome=UNKNOWN)))
        story.claim("k2", "b")
        story.claim_nothing()
        assert story.broken("a", "b") == set()

    def test_a_lost_claim_does_not_hold_what_another_is_given_soon_after(
        self, story: Story
    ) -> None:
        story.post("a")
        story.post("b")
        story.records.append(Claim(ttl=60, **story.common("c", outcome=UNKNOWN)))
        story.claim("k2", "b")
        story.claim("k3", "a")
        assert story.broken("a", "b") == {"P6"}

    def test_a_lost_claim_may_have_expired_since(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.records.append(Claim(ttl=60, **story.common("c", outcome=UNKNOWN)))
        story.claim("k2", "b", ttl=1000)
        story.wait(60)
        story.claim("k3", "a")
        assert story.broken("a", "b") == set()


class TestFollowers:
    """P7."""

    def test_shown_twice(self, story: Story) -> None:
        story.post("a")
        story.read("a")
        story.read("a")
        assert story.broken("a") == {"P7"}

    def test_going_back(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.read("b", limit=1)
        story.read("a", limit=1)
        assert story.broken("a", "b") == {"P6", "P7"}

    def test_skipping_a_message_posted_before_one_that_is_shown(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.read("b", limit=1)
        assert story.broken("a", "b") == {"P7"}

    def test_skipping_a_message_that_another_reader_saw_before(self, story: Story) -> None:
        story.post("a", at=(1, 3))
        story.post("b", at=(2, 4))
        story.read("b", limit=1)
        story.read("a", "b", reader="other")
        story.delete("a", "b")
        assert story.broken() == {"P7"}

    def test_a_message_that_becomes_visible_behind_the_reader(self, story: Story) -> None:
        story.post("a", at=(1, 9))
        story.post("b", at=(2, 4))
        story.read("b", limit=1, at=(5, 6))
        story.read(limit=1, at=(10, 11))
        assert story.broken("a", "b") == {"P7"}

    def test_skipping_a_message_of_an_unanswered_post(self, story: Story) -> None:
        story.post("a", outcome=UNKNOWN)
        story.claim("k1", "a")
        story.post("b")
        story.read("b", limit=1)
        assert story.broken("a", "b") == {"P7"}

    def test_a_short_page_that_does_not_show_all(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.read("a", limit=2)
        assert story.broken("a", "b") == {"P7"}

    def test_an_empty_page_that_does_not_show_all(self, story: Story) -> None:
        story.post("a")
        story.read("a", limit=1)
        story.post("b")
        story.read(limit=1)
        assert story.broken("a", "b") == {"P7"}

    def test_skipping_at_the_end(self, story: Story) -> None:
        story.post("a")
        story.read("a", limit=1)
        story.post("b")
        story.post("c")
        story.read("c", limit=1)
        assert story.broken("a", "b", "c") == {"P7"}

    def test_an_empty_page_before_the_post_was_answered(self, story: Story) -> None:
        story.post("a", at=(1, 5))
        story.read(at=(2, 3))
        story.read(at=(4, 6))
        story.read("a")
        assert story.broken("a") == set()

    def test_a_deleted_message_is_not_shown(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.delete("a", outcome=UNKNOWN, at=(5, 6))
        story.read("b", limit=1, at=(5, 6))
        assert story.broken("a", "b") == set()

    def test_a_deletion_that_failed_excuses_nothing(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.delete("a", outcome=FAILED)
        story.read("b", limit=1)
        assert story.broken("a", "b") == {"P7"}

    def test_a_page_that_was_not_answered_says_nothing(self, story: Story) -> None:
        story.post("a")
        story.read(outcome=UNKNOWN)
        story.read("a")
        assert story.broken("a") == set()

    def test_a_reader_that_stops_midway(self, story: Story) -> None:
        story.post("a", "b", "c")
        story.read("a", "b", limit=2)
        assert story.broken("a", "b", "c") == set()


class TestBatches:
    """P8."""

    def test_another_message_inside_a_batch(self, story: Story) -> None:
        story.post("a", "b", at=(1, 3))
        story.post("x", at=(2, 4))
        assert story.broken("a", "x", "b") == {"P8"}

    def test_out_of_order(self, story: Story) -> None:
        story.post("a", "b")
        assert story.broken("b", "a") == {"P6", "P8"}

    @pytest.mark.parametrize("shown", ["b", "a"])
    def test_a_part_without_the_rest(self, story: Story, shown: str) -> None:
        story.post("a", "b", at=(1, 9))
        story.read(shown, at=(2, 3))
        story.delete("a", "b")
        assert "P8" in story.broken()

    def test_a_part_before_the_next_batch(self, story: Story) -> None:
        story.post("a", "b")
        story.post("c")
        story.read("a", limit=1)
        story.read("c", limit=1)
        assert story.broken("a", "b", "c") >= {"P8"}

    def test_an_unanswered_batch_that_is_half_there(self, story: Story) -> None:
        story.post("a", "b", outcome=UNKNOWN)
        assert story.broken("a") == {"P8"}

    def test_an_unanswered_batch_that_lost_a_part(self, story: Story) -> None:
        story.post("a", "b", outcome=UNKNOWN)
        story.read("a", "b")
        assert "P8" in story.broken("a")

    def test_spread_over_two_pages(self, story: Story) -> None:
        story.post("a", "b", "c")
        story.read("a", "b", limit=2)
        story.read("c", limit=2)
        assert story.broken("a", "b", "c") == set()

    @pytest.mark.parametrize("gone", ["a", "b", "c"])
    def test_one_message_of_it_was_deleted(self, story: Story, gone: str) -> None:
        story.post("a", "b", "c")
        story.claim("k1", "a", "b", "c")
        story.delete(gone, claim_id="k1")
        left = [body for body in "abc" if body != gone]
        story.read(*left)
        assert story.broken(*left) == set()

    def test_the_rest_was_deleted_between_two_pages(self, story: Story) -> None:
        story.post("a", "b")
        story.post("c")
        story.read("a", limit=1)
        story.delete("b")
        story.read("c", limit=1)
        assert story.broken("a", "c") == set()

    def test_an_unanswered_batch_that_was_deleted_in_part(self, story: Story) -> None:
        story.post("a", "b", outcome=UNKNOWN)
        story.claim("k1", "a", "b")
        story.delete("a", claim_id="k1")
        assert story.broken("b") == set()
