// The Doctor page: open details stay open when the list is replaced, and a button shows that its check is running.
"use strict";

(() => {
    const list = document.getElementById("checks");
    let kept = new Map(); // id of an open history → its content

    document.getElementById("doctor-form").addEventListener("htmx:beforeRequest", (event) => {
        // The button disappears when the answer replaces the list.
        event.detail.requestConfig.triggeringEvent?.submitter?.setAttribute("aria-busy", "true");
    });
    document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
        if (detail.target === list) {
            const open = [...list.querySelectorAll("details[open]")];
            kept = new Map(open.map((details) => [details.id, [...details.querySelector(".d-history").childNodes]]));
        }
    });
    document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
        if (detail.target === list) {
            for (const [id, nodes] of kept) {
                const details = document.getElementById(id);
                if (details) {
                    details.querySelector(".d-history").replaceChildren(...nodes);
                    details.open = true;
                }
            }
        }
    });
})();
