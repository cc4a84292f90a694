// Light or dark, set before the first paint: the operator's choice, or the system's setting.
"use strict";

const theme = {
    system: window.matchMedia("(prefers-color-scheme: dark)"),
    get chosen() {
        try {
            return JSON.parse(localStorage.getItem("adminTheme")) ?? "auto";
        } catch {
            return "auto";
        }
    },
    choose(name) {
        try {
            localStorage.setItem("adminTheme", JSON.stringify(name));
        } catch {
            // Without storage, the choice lasts until the next page.
        }
        theme.show(name);
    },
    show(name = theme.chosen) {
        document.documentElement.classList.toggle("dark", name === "dark" || (name === "auto" && theme.system.matches));
        for (const button of document.querySelectorAll("[data-theme-choice]")) {
            button.setAttribute("aria-pressed", String(button.dataset.themeChoice === name));
        }
    },
};

theme.show();
try {
    document.documentElement.classList.toggle("q-folded", localStorage.getItem("sidebarFolded") === "1");
} catch {
    // The navigation stays open.
}
