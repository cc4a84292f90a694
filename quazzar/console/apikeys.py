"""API keys in the console: created and shown once, listed by their prefix, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from quazzar import rights, words
from quazzar.access import apikeys
from quazzar.console import forms as consoleforms
from quazzar.console import gate
from quazzar.console.rows import RightfulAdmin
from quazzar.models import ApiKey
from quazzar.names import validate_name
from quazzar.rights import ADD_KEYS, MANAGE_OPERATORS, READ, REVOKE_KEYS, SEE_KEYS, SEND_MAIL, WRITE
from quazzar.snippets import snippets

#: What each scope allows, after its label.
_SCOPES = {
    READ: "See what you can see: messages, settings, domains, mailboxes. Never passwords.",
    WRITE: "Change what you can change: settings, domains, mailboxes, aliases, the mail server.",
    SEND_MAIL: "Send mail, alerts and backup reports. Enough for Alertmanager, Grafana and backup jobs.",
}
_PAGE_SIZE = 50
_PERIODS = (("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), ("", "Never"))


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Name, scopes and expiry of a new key."""

    name = forms.CharField(
        max_length=100,
        validators=[validate_name],
        widget=consoleforms.text_input(autofocus=True),
        help_text="The program that will use it, such as “Grafana on node 2”.",
        error_messages={"required": "Enter a name."},
    )
    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices,
        initial=[ApiKey.Scope.SEND],
        help_text="Give it only what it needs.",
        error_messages={"required": "Choose at least one."},
    )
    expires = forms.ChoiceField(
        label="Expires",
        choices=_PERIODS,
        required=False,
        initial="365",
        widget=forms.Select(attrs=consoleforms.INPUT),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes")

    #: Whose key it is: only scopes that this operator can use are offered.
    user: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scopes" in self.fields:
            offered = rights.scopes_of(self.user)
            field = cast("forms.MultipleChoiceField", self.fields["scopes"])
            field.choices = [choice for choice in ApiKey.Scope.choices if choice[0] in offered]
            field.error_messages["invalid_choice"] = "You can't give a key more than you can do yourself."
            if ApiKey.Scope.SEND not in offered:
                field.initial, field.help_text = offered[:1], "The key can do at most what you can do."

    def scope_choices(self) -> list[tuple[str, str, str, bool]]:
        """Each offered scope: value, label, a sentence, and whether it is chosen."""
        chosen = self["scopes"].value() or []
        field = cast("forms.MultipleChoiceField", self.fields["scopes"])
        return [
            (value, label, _SCOPES[value], value in chosen) for value, label in cast("Any", field.choices)
        ]


@admin.register(ApiKey)
class ApiKeyAdmin(RightfulAdmin):
    """API keys, without the key itself and its digest. They are created and revoked, never edited."""

    about = "Keys for programs. Only a hash of each is stored."
    form = KeyForm
    fieldsets = ((None, {"fields": ("name", "scopes", "expires")}),)
    add_form_template = "quazzar/key_form.html"
    change_form_template = "quazzar/key.html"
    search_fields = ("name", "prefix", "user__username")
    actions = ("revoke_selected",)

    see, add = SEE_KEYS, ADD_KEYS

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """The operator's own keys; managers of operators also see those operators' keys, and superusers see all."""
        keys = cast("QuerySet[ApiKey]", super().get_queryset(request)).defer("digest")
        user = cast("User", request.user)
        if user.is_superuser:
            return keys
        shown = Q(user=user) | Q(user__is_superuser=False) if MANAGE_OPERATORS(user) else Q(user=user)
        return keys.filter(shown)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether the user may revoke keys; keys are never edited."""
        return REVOKE_KEYS(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user is a superuser: the list is part of the record of who had access."""
        return cast("User", request.user).is_superuser

    def get_form(self, request: HttpRequest, obj: Any = None, change: Any = False, **kwargs: Any) -> Any:
        """The form, which knows whose key it makes."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"user": request.user})

    # --- list

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The keys that may still be used first; a POST revokes the selected ones."""
        if request.method == "POST":
            return super().changelist_view(request, extra_context)
        gate.require(SEE_KEYS, request)
        query = request.GET.get("q", "").strip()[:100]
        keys = self.get_queryset(request).select_related("user")
        found, _ = self.get_search_results(request, keys, query)
        ordered = found.order_by(F("revoked_at").desc(nulls_first=True), "-id")
        page = Paginator(ordered, _PAGE_SIZE).get_page(request.GET.get("p"))
        rows = list(page)
        for row in rows:
            cast("Any", row).words = ", ".join(label for label, _ in _may(row))
        page.object_list = rows
        context = {
            **self.admin_site.each_context(request),
            "title": "API keys",
            "page": page,
            "query": query,
            "several": sum(row.state == "active" for row in rows) > 1,
            "can_revoke": self.has_revoke_permission(request),
            "has_add_permission": self.has_add_permission(request),
        }
        return TemplateResponse(request, "quazzar/keys.html", context)

    # --- make

    @sensitive_variables()
    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: Any) -> None:
        """Create the key. Its text stays with this request, for the next page, and is stored nowhere."""
        days = form.cleaned_data["expires"]
        until = timezone.now() + timedelta(days=int(days)) if days else None
        user = cast("User", request.user)
        row, text = apikeys.issue(user, obj.name, form.cleaned_data["scopes"], until)
        obj.pk, obj.prefix, obj.user, obj.expires_at = row.pk, row.prefix, user, until
        cast("Any", request).minted = text

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key in this response: a redirect would have to store it."""
        context = {
            **self.admin_site.each_context(request),
            "title": "API key created",
            "opts": self.opts,
            "original": obj,
            "key": cast("Any", request).minted,
            "tools": _tools(request, obj, cast("Any", request).minted),
        }
        return TemplateResponse(request, "quazzar/key_created.html", context)

    @method_decorator(never_cache)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form, then the key; no cache keeps either."""
        context = {
            "title": "New API key",
            **(extra_context or {}),
        }
        return super().add_view(request, form_url, context)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The form with its scopes, or the page of a key."""
        if kwargs.get("add"):
            context["scope_choices"] = context["adminform"].form.scope_choices()
        return super().render_change_form(request, context, *args, **kwargs)

    # --- revoke

    def get_urls(self) -> list[URLPattern]:
        """Django's pages of a model, and an address to revoke a key."""
        view = self.admin_site.admin_view(require_POST(self.revoke_view))
        return [path("<int:pk>/revoke/", view, name="quazzar_apikey_revoke"), *super().get_urls()]

    def revoke_view(self, request: HttpRequest, pk: int) -> HttpResponseRedirectBase:
        """Revoke the key of this page, and show it again."""
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        self._revoke(request, [row])
        return redirect("admin:quazzar_apikey_change", pk)

    @admin.action(description="Revoke selected keys", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Revoke each selected key, and say how many were."""
        self._revoke(request, queryset)

    def _revoke(self, request: HttpRequest, keys: Any) -> None:
        gate.require(REVOKE_KEYS, request)
        revoked = sum(map(apikeys.revoke, keys))
        text = f"{words.count(revoked, 'API key was', 'API keys were')} revoked."
        if revoked:
            self.message_user(
                request,
                f"{text} Requests with {'it' if revoked == 1 else 'them'} are refused from now on.",
                messages.SUCCESS,
            )
        else:
            self.message_user(request, "Nothing was revoked: no selected key was active.", messages.WARNING)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The details of a key, and the button that revokes it."""
        row = self.get_object(request, object_id)
        context = {
            "can_revoke": self.has_revoke_permission(request),
            "revoking": "revoke" in request.GET,
            "may": _may(row) if row else [],
            "tools": _tools(request, row, snippets.PLACEHOLDER) if row else {},
            "placeholder": snippets.PLACEHOLDER,
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)


def _may(row: ApiKey) -> list[tuple[str, str]]:
    """Label and sentence of each scope of the key."""
    return [(label, _SCOPES[value]) for value, label in ApiKey.Scope.choices if value in row.scopes]


def _tools(request: HttpRequest, row: ApiKey, key: str) -> dict[str, list[snippets.Snippet]]:
    """What to paste for a key, by the program that takes it."""
    url = request.build_absolute_uri("/")
    to = cast("User", request.user).email
    return snippets.by_tool(snippets.snippets(url, key, row.scopes, to=to, may=lambda right: right(row.user)))
