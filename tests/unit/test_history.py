"""The checks of the live tier turn red for lost, altered and undead messages, and only then."""

import pytest

from tests.live.checks import check
from tests.live.history import History, Outcome, Post, Seen
from tests.unit.story import FAILED, REFUSED, UNKNOWN, Story


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
        story.show(Seen("id-a", "A"))
        assert "P2" in story.broken("a")

    def test_bodies_swapped_between_two_messages(self, story: Story) -> None:
        story.post("a", "b")
        story.show(Seen("id-a", "b"), Seen("id-b", "a"))
        assert story.broken("a", "b") == {"P2"}

    def test_one_post_stored_as_two_messages(self, story: Story) -> None:
        story.post("a")
        story.show(Seen("id-a", "a"), Seen("another", "a"))
        assert story.broken("a") == {"P2"}

    def test_a_post_with_unknown_outcome_stored_as_two_messages(self, story: Story) -> None:
        story.post("a", outcome=UNKNOWN)
        story.show(Seen("id-a", "a"), Seen("another", "a"))
        assert story.broken("a") == {"P2"}

    def test_an_id_given_to_two_messages(self, story: Story) -> None:
        story.records.append(Post(bodies=("a", "b"), ids=("1", "1"), **story.common("p")))
        story.show(Seen("1", "b"), reader="drain")
        assert "P2" in {one.promise for one in check(History(story.records, "drain"))}

    def test_fewer_ids_than_messages(self, story: Story) -> None:
        story.records.append(Post(bodies=("a", "b"), ids=("id-a",), **story.common("p")))
        assert story.broken("a", "b") == {"P2"}


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
