// Light or dark on the pages of the API, set before the first paint: the operator's choice in the console, or the
// system's setting. Swagger UI has a class for it.
"use strict";

(() => {
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const root = document.documentElement;

    function show() {
        let chosen = "auto";
        try {
            chosen = JSON.parse(localStorage.getItem("adminTheme")) ?? "auto";
        } catch {
            // Without storage, the system decides.
        }
        if (chosen === "dark" || chosen === "light") {
            root.dataset.theme = chosen;
        }
        root.classList.toggle("dark-mode", chosen === "dark" || (chosen !== "light" && system.matches));
    }

    show();
    system.addEventListener("change", show);
})();
