// A one-time link: its token comes after the #, so that no log contains it. It is removed from the address and sent by POST.
"use strict";

{
    const form = document.getElementById("welcome-token");
    const token = location.hash.slice(1);
    if (token) {
        history.replaceState(null, "", location.pathname);
    }
    if (form) {
        form.addEventListener("submit", () => {
            form.elements.token.value = form.elements.token.value.trim().split("#").pop();
        });
        if (token) {
            form.elements.token.value = token;
            form.requestSubmit();
        }
    }
}
