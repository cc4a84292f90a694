"""Routes under /api/mail/: the stack, and what lives in it."""

from __future__ import annotations

from mailboxes.api.csvfiles import ImportViewSet
from mailboxes.api.images import StackImagesViewSet
from mailboxes.api.journeys import JourneyViewSet
from mailboxes.api.stack import StackViewSet
from mailboxes.api.viewsets import AliasViewSet, DeletedMailboxViewSet, DomainViewSet, MailboxViewSet
from quazzar.api.viewsets import ApiRouter, SingletonRouter

app_name = "mailboxes"

collections = ApiRouter()
collections.register("domains", DomainViewSet, "domain")
collections.register("mailboxes", MailboxViewSet, "mailbox")
collections.register("mailboxes/import", ImportViewSet, "mailbox_import")
collections.register("mailboxes/deleted", DeletedMailboxViewSet, "mailbox_deleted")
collections.register("journeys", JourneyViewSet, "journey")
collections.register("aliases", AliasViewSet, "alias")

singletons = SingletonRouter()
singletons.register("stack", StackViewSet, "stack")
singletons.register("stack/images", StackImagesViewSet, "stack_images")

urlpatterns = [*singletons.urls, *collections.urls]
