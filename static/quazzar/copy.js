// [data-copies="id"] copies that element's text.
"use strict";

for (const button of document.querySelectorAll("[data-copies]")) {
    const source = document.getElementById(button.dataset.copies);
    const word = button.querySelector("[aria-live]");

    button.addEventListener("click", async () => {
        window.getSelection().selectAllChildren(source);
        try {
            // Browsers give a clipboard only to https and to this machine; elsewhere the old way still works.
            await navigator.clipboard.writeText(source.textContent);
        } catch {
            document.execCommand("copy");
        }
        word.textContent = "Copied";
        setTimeout(() => (word.textContent = "Copy"), 2500);
    });
}
