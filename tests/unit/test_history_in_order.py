"""The checks of the live tier turn red for broken order, followers and batches, and only then."""

import pytest

from tests.unit.story import FAILED, UNKNOWN, Story


@pytest.fixture
def story() -> Story:
    return Story()


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
        story.lose_claim()
        story.claim("k2", "b")
        story.claim_nothing()
        assert story.broken("a", "b") == set()

    def test_a_lost_claim_does_not_hold_what_another_is_given_soon_after(
        self, story: Story
    ) -> None:
        story.post("a")
        story.post("b")
        story.lose_claim()
        story.claim("k2", "b")
        story.claim("k3", "a")
        assert story.broken("a", "b") == {"P6"}

    def test_a_lost_claim_may_have_expired_since(self, story: Story) -> None:
        story.post("a")
        story.post("b")
        story.lose_claim()
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
