// Light or dark, before anything is painted: the operator's choice, else what the system says.
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
            // A browser that keeps nothing forgets the choice with the page.
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
