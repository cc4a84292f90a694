// Forms with [data-unsaved]: the browser asks before you leave the page with unsaved changes.
"use strict";

const unsaved = (() => {
    // Hidden fields are filled in by scripts, not by a person.
    const isHidden = (form, name) => form.elements.namedItem(name)?.type === "hidden";
    const shape = (form) => new URLSearchParams(
        [...new FormData(form)].filter(([name]) => !isHidden(form, name))
            .map(([name, value]) => [name, value instanceof File ? value.name : value]),
    ).toString();
    const saved = new WeakMap();

    // Browsers restore typed values before pageshow; this module runs earlier.
    for (const form of document.querySelectorAll("form[data-unsaved]")) {
        saved.set(form, form.dataset.unsaved === "already" ? "" : shape(form));
    }

    const any = () => [...document.querySelectorAll("form[data-unsaved]")]
        .some((form) => saved.has(form) && saved.get(form) !== shape(form));

    document.addEventListener("submit", (event) => saved.delete(event.target));
    window.addEventListener("beforeunload", (event) => {
        if (any()) {
            event.preventDefault();
        }
    });
    return { any };
})();
