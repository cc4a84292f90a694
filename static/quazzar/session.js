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

    if (note) {
        document.addEventListener("console-signed-out", () => {
            const dialog = document.querySelector("dialog[open]");
            if (!dialog && !unsaved.any()) {
                window.location.reload();
                return;
            }
            // A dialog that is open makes everything outside it inert.
            (dialog ?? document.getElementById("content")).prepend(document.getElementById("silence"));
            note.hidden = false;
        });
        document.addEventListener("htmx:afterRequest", ({ detail }) => {
            note.hidden ||= detail.successful;
        });
    }
})();
