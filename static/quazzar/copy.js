// Copies: [data-copy="text"] that text, [data-copies="id"] the text of that element, or the value of that input.
"use strict";

(() => {
    async function copy(text, button) {
        try {
            // Browsers give a clipboard only to https and to this machine; elsewhere the old way still works.
            await navigator.clipboard.writeText(text);
        } catch {
            const area = document.createElement("textarea");
            area.value = text;
            // Beside an open dialog nothing can be selected.
            (button.closest("dialog") ?? document.body).append(area);
            area.select();
            document.execCommand("copy");
            area.remove();
        }
        tick(button);
    }

    // An icon becomes a tick for a moment, a word "Copied".
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
