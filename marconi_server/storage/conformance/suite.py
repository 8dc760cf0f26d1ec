"""The whole suite as one class."""

from marconi_server.storage.conformance.claims import ClaimCases, ReleaseCases, RenewalCases
from marconi_server.storage.conformance.concurrency import (
    ConcurrentClaimCases,
    ConcurrentPostingCases,
    ConcurrentQueueCases,
)
from marconi_server.storage.conformance.deletion import DeletionCases
from marconi_server.storage.conformance.expiry import ExpiryCases, LengtheningCases
from marconi_server.storage.conformance.faults import ClosingCases, FaultCases
from marconi_server.storage.conformance.housekeeping import HousekeepingCases
from marconi_server.storage.conformance.identifiers import IdentifierCases
from marconi_server.storage.conformance.isolation import IsolationCases
from marconi_server.storage.conformance.messages import MessageCases
from marconi_server.storage.conformance.metadata import MetadataCases
from marconi_server.storage.conformance.paging import PagingCases
from marconi_server.storage.conformance.queues import QueueCases, QueueListingCases
from marconi_server.storage.conformance.reopening import ReopeningCases
from marconi_server.storage.conformance.several_stores import SeveralStoresCases
from marconi_server.storage.conformance.stats import StatsCases


class StorageConformance:
    """All concerns. pytest collects the classes of a subclass, and needs a fixture `harness`."""

    TestQueues = QueueCases
    TestQueueListing = QueueListingCases
    TestMetadata = MetadataCases
    TestStats = StatsCases
    TestMessages = MessageCases
    TestPaging = PagingCases
    TestDeletion = DeletionCases
    TestClaims = ClaimCases
    TestRenewal = RenewalCases
    TestRelease = ReleaseCases
    TestExpiry = ExpiryCases
    TestLengthening = LengtheningCases
    TestIsolation = IsolationCases
    TestIdentifiers = IdentifierCases
    TestConcurrentPosting = ConcurrentPostingCases
    TestConcurrentClaims = ConcurrentClaimCases
    TestConcurrentQueues = ConcurrentQueueCases
    TestReopening = ReopeningCases
    TestSeveralStores = SeveralStoresCases
    TestFaults = FaultCases
    TestClosing = ClosingCases
    TestHousekeeping = HousekeepingCases
