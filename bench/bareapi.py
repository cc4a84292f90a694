"""The list of mailboxes in plain Django REST framework, as in a new project: without authentication."""

from __future__ import annotations

from django.urls import path
from rest_framework import generics, serializers
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer

from mailboxes.models import Mailbox

#: As `django-admin startproject` writes it.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


class BareSerializer(serializers.ModelSerializer[Mailbox]):
    """The columns that the product's list reads."""

    class Meta:
        model = Mailbox
        fields = (
            "id",
            "domain",
            "local_part",
            "address",
            "display_name",
            "quota_mb",
            "forward_to",
            "keep_copy",
            "usage_bytes",
            "enabled",
            "can_send",
            "can_receive",
            "applied_at",
            "created_at",
        )


class BarePages(PageNumberPagination):
    """Pages of 50."""

    page_size = 50


class BareView(generics.ListAPIView[Mailbox]):
    """The same rows in the same order."""

    queryset = Mailbox.objects.live()
    serializer_class = BareSerializer
    pagination_class = BarePages
    authentication_classes = (SessionAuthentication, BasicAuthentication)
    permission_classes = (AllowAny,)
    throttle_classes = ()
    filter_backends = ()
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = DefaultContentNegotiation


urlpatterns = [path("mailboxes", BareView.as_view())]
