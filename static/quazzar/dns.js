"use strict";

// The DNS tab: copies values. Everything else is HTMX's.
(() => {
    async function copy(text, button) {
        try {
            // Browsers give a clipboard only to https and to this machine; elsewhere the old way still works.
            await navigator.clipboard.writeText(text);
        } catch {
            const area = document.createElement("textarea");
            area.value = text;
            document.body.append(area);
            area.select();
            document.execCommand("copy");
            area.remove();
        }
        const icon = button.querySelector(".material-symbols-outlined");
        const before = (icon ?? button).textContent;
        (icon ?? button).textContent = icon ? "check" : "Copied";
        setTimeout(() => {
            (icon ?? button).textContent = before;
        }, 1500);
    }

    document.addEventListener("click", (event) => {
        const button = event.target.closest("#dns [data-copy]");
        if (button) {
            copy(button.dataset.copy, button);
        }
    });
})();
