// The session may end, or be renewed in another tab, while somebody is typing: what was typed stays, and can be sent.
"use strict";

(() => {
    const note = document.getElementById("signed-out");

    // Signing in changes the token, so that a form that was opened before would be refused. The cookie has the new one.
    const name = document.documentElement.dataset.tokenCookie;
    const token = () => document.cookie.split("; ").find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);

    document.addEventListener("submit", ({ target }) => {
        const field = target.elements.namedItem("csrfmiddlewaretoken");
        if (field && token()) {
            field.value = token();
        }
    }, true);
    document.addEventListener("htmx:configRequest", ({ detail }) => {
        if (token() && "X-CSRFToken" in detail.headers) {
            detail.headers["X-CSRFToken"] = token();
        }
        if (token() && detail.parameters.csrfmiddlewaretoken) {
            detail.parameters.csrfmiddlewaretoken = token();
        }
    });

    if (!note) {
        return;
    }
    const show = () => {
        // A dialog that is open makes everything outside it inert.
        const place = document.querySelector("dialog[open]") ?? document.getElementById("content");
        place.prepend(document.getElementById("silence"));
        note.hidden = false;
    };

    document.addEventListener("console-signed-out", () => {
        if (document.querySelector("dialog[open]") || unsaved.any()) {
            show();
        } else {
            window.location.reload();
        }
    });
    document.addEventListener("htmx:afterRequest", ({ detail }) => {
        note.hidden ||= detail.successful;
    });

    // A form that loads another page takes what was typed with it, so the console is asked first whether it would take it.
    const TYPED = "input:not([type=hidden], [type=submit]), textarea, select";
    const asking = new WeakSet();
    let sent = null;

    document.addEventListener("submit", async (event) => {
        const { target: form, submitter } = event;
        const isTyped = form.method === "post" && !form.matches("[hx-post]") && [...form.elements].some((one) => one.matches(TYPED));
        if (!isTyped || form === sent) {
            return;
        }
        event.preventDefault();
        event.stopImmediatePropagation();
        if (asking.has(form)) {
            return;
        }
        asking.add(form);
        const answer = await fetch(note.dataset.asks, { headers: { "HX-Request": "true" } }).catch(() => null);
        asking.delete(form);
        if (answer?.status === 401) {
            show();
            return;
        }
        sent = form;
        form.requestSubmit(submitter);
        sent = null;
    }, true);
})();
