// Copy buttons: [data-copy="text"] copies that text, [data-copies="id"] the text of that element or the value of that input.
"use strict";

(() => {
    async function copy(text, button) {
        try {
            // Browsers offer the clipboard over HTTPS and on localhost only; the old way still works elsewhere.
            await navigator.clipboard.writeText(text);
        } catch {
            const area = document.createElement("textarea");
            area.value = text;
            // Nothing outside an open dialog can be selected.
            (button.closest("dialog") ?? document.body).append(area);
            area.select();
            document.execCommand("copy");
            area.remove();
        }
        tick(button);
    }

    // For a moment, an icon becomes a tick, and a word becomes "Copied".
    function tick(button) {
        const shown = button.querySelector(".material-symbols-outlined:only-child") ?? button.querySelector("[aria-live]") ?? button;
        const before = shown.textContent;
        shown.textContent = shown.classList.contains("material-symbols-outlined") ? "check" : "Copied";
        button.disabled = true;
        setTimeout(() => {
            shown.textContent = before;
            button.disabled = false;
        }, 1500);
    }

    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-copy], [data-copies]");
        if (button) {
            const source = document.getElementById(button.dataset.copies);
            copy(button.dataset.copy ?? source.value ?? source.textContent, button);
        }
    });
})();
