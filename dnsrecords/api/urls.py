"""Routes under /api/mail/: a domain's DNS records, and proofs."""

from __future__ import annotations

from dnsrecords.api.blocklists import BlocklistsViewSet
from dnsrecords.api.proofs import ProofScheduleViewSet, ProofViewSet
from dnsrecords.api.reports import DomainReportsViewSet, ReportsViewSet
from dnsrecords.api.viewsets import DkimViewSet, RecordsViewSet
from quazzar.api.viewsets import ApiRouter, SingletonRouter

app_name = "dnsrecords"

router = SingletonRouter()
router.register("domains/<int:pk>/dns", RecordsViewSet, "domain_dns")
router.register("domains/<int:pk>/dns", DkimViewSet, "domain_dkim")
router.register("domains/<int:pk>/dns/reports", DomainReportsViewSet, "domain_reports")
router.register("dns/blocklists", BlocklistsViewSet, "blocklists")
router.register("dns/reports", ReportsViewSet, "dns_reports")
router.register("proofs/schedule", ProofScheduleViewSet, "proof_schedule")

collections = ApiRouter()
collections.register("proofs", ProofViewSet, "proof")

urlpatterns = [*router.urls, *collections.urls]
