"""The checks of the live tier turn red for broken claims, and only then."""

import pytest

from tests.live.checks import check
from tests.live.history import History
from tests.unit.story import REFUSED, UNKNOWN, Story


@pytest.fixture
def story() -> Story:
    return Story()


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
        story.lose_claim()
        story.claim("k2", "a")
        assert story.broken("a") == set()

    def test_a_claim_emptied_by_deletions_is_gone(self, story: Story) -> None:
        story.post("a", "b")
        story.claim("k1", "a", "b")
        story.delete("a", claim_id="k1")
        story.delete("b", outcome=UNKNOWN)
        story.renew("k1", outcome=REFUSED)
        assert story.broken() == set()
