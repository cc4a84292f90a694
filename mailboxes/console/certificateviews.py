"""The certificate's dialog: self-signed, uploaded, or files that an ACME client renews."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from mailboxes.console import access, pages
from mailboxes.console.forms import CertificateForm
from mailboxes.models import Stack

_SENTENCES = {
    Stack.TlsSource.SELF_SIGNED: "The mail server uses a certificate that it signed itself.",
    Stack.TlsSource.UPLOADED: "The uploaded certificate is put in place.",
    Stack.TlsSource.FILES: "The certificate is read from its files, and again whenever they change.",
}


@access.page(access.change_server)
@sensitive_post_parameters("key")
def certificate(request: HttpRequest) -> HttpResponse:
    """Shows where it comes from; a POST changes that."""
    stack = Stack.load()
    now = {
        "source": stack.tls_source,
        "certificate_path": stack.tls_certificate_path,
        "key_path": stack.tls_key_path,
    }
    posted = request.method == "POST"
    form = CertificateForm(request.POST, request.FILES) if posted else CertificateForm(initial=now)
    beware = form.save() if posted else None
    if beware is None:
        return pages.dialog(request, "_certificate.html", {"form": form, "stack": stack})
    messages.success(request, _SENTENCES[Stack.TlsSource(form.cleaned_data["source"])])
    for sentence in beware:
        messages.warning(request, sentence)
    return pages.reload() if access.by_htmx(request) else redirect("admin:mail_boxes_server")
