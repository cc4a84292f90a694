// Forms with [data-unsaved]: leaving the page asks first while something was typed that is not saved.
"use strict";

(() => {
    // Hidden fields are filled in by scripts, not by a person.
    const isHidden = (form, name) => form.elements.namedItem(name)?.type === "hidden";
    const shape = (form) => new URLSearchParams(
        [...new FormData(form)].filter(([name]) => !isHidden(form, name))
            .map(([name, value]) => [name, value instanceof File ? value.name : value]),
    ).toString();
    const saved = new WeakMap();

    // A browser that restores what was typed does so before pageshow; the module runs before that.
    for (const form of document.querySelectorAll("form[data-unsaved]")) {
        saved.set(form, form.dataset.unsaved === "already" ? "" : shape(form));
    }
    document.addEventListener("submit", (event) => saved.delete(event.target));
    window.addEventListener("beforeunload", (event) => {
        const forms = [...document.querySelectorAll("form[data-unsaved]")];
        if (forms.some((form) => saved.has(form) && saved.get(form) !== shape(form))) {
            event.preventDefault();
        }
    });
})();
