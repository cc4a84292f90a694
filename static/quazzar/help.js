// The help page filters as you type; without this script, the server does it when the form is sent.
"use strict";

(() => {
    const search = document.getElementById("help-search");
    const entries = [...document.querySelectorAll(".h-entry")];

    function filter() {
        const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
        let found = 0;
        for (const entry of entries) {
            const text = entry.textContent.toLowerCase();
            entry.hidden = !words.every((word) => text.includes(word));
            entry.open = words.length > 0 && !entry.hidden;
            found += entry.hidden ? 0 : 1;
        }
        for (const chapter of document.querySelectorAll(".h-chapter")) {
            chapter.hidden = !chapter.querySelector(".h-entry:not([hidden])");
            document.querySelector(`.h-chapters a[href="#${chapter.id}"]`).hidden = chapter.hidden;
        }
        document.getElementById("help-none").hidden = found > 0;
        document.getElementById("help-count").textContent = words.length ? `${found} of ${entries.length}` : "";
    }

    // A link to one entry opens it.
    function open() {
        const target = document.getElementById(location.hash.slice(1));
        if (target?.matches(".h-entry")) {
            target.open = true;
            target.scrollIntoView();
        }
    }

    // Entries that the server left out cannot be filtered here.
    if (!new URLSearchParams(location.search).get("q")) {
        search.addEventListener("input", filter);
        search.form.addEventListener("submit", (event) => event.preventDefault());
    }
    window.addEventListener("hashchange", open);
    open();
})();
