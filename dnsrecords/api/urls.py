"""Routes under /api/mail/: a domain's DNS records."""

from __future__ import annotations

from django.urls import path

from dnsrecords.api import ed25519views, optionviews
from dnsrecords.api import publishing as publishviews
from dnsrecords.api import viewsets as views

app_name = "dnsrecords"

urlpatterns = [
    path("domains/<int:pk>/dns", views.RecordsView.as_view(), name="records"),
    path("domains/<int:pk>/dns/check", views.CheckView.as_view(), name="check"),
    path("domains/<int:pk>/dns/dmarc", views.DmarcPathView.as_view(), name="dmarc"),
    path("domains/<int:pk>/dns/options", optionviews.OptionsView.as_view(), name="options"),
    path("domains/<int:pk>/dns/ed25519", ed25519views.Ed25519View.as_view(), name="ed25519"),
    path("domains/<int:pk>/dns/publisher", publishviews.PublisherView.as_view(), name="publisher"),
    path("domains/<int:pk>/dns/publish", publishviews.PublishView.as_view(), name="publish"),
    path("domains/<int:pk>/dns/rotation", views.RotationView.as_view(), name="rotation"),
    path("domains/<int:pk>/dns/zone", views.ZoneView.as_view(), name="zone"),
]
