// Tabs ([data-tabs]): arrow keys, Home and End move between them (https://www.w3.org/WAI/ARIA/apg/patterns/tabs/).
"use strict";

(() => {
    const tabsOf = (list) => [...list.querySelectorAll("[role=tab]")];

    function choose(tab) {
        for (const other of tabsOf(tab.closest("[role=tablist]"))) {
            const chosen = other === tab;
            other.setAttribute("aria-selected", String(chosen));
            other.tabIndex = chosen ? 0 : -1;
            document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
        }
    }

    const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

    document.addEventListener("click", (event) => {
        const tab = event.target.closest("[data-tabs] [role=tab]");
        if (tab) {
            choose(tab);
        }
    });

    document.addEventListener("keydown", (event) => {
        const tab = event.target.closest("[data-tabs] [role=tab]");
        if (!tab || event.ctrlKey || event.altKey || event.metaKey) {
            return;
        }
        const all = tabsOf(tab.closest("[role=tablist]"));
        const place = { Home: 0, End: all.length - 1 }[event.key] ?? all.indexOf(tab) + (STEPS[event.key] ?? NaN);
        const next = all[(place + all.length) % all.length];
        if (next) {
            event.preventDefault();
            choose(next);
            next.focus();
        }
    });

    for (const list of document.querySelectorAll("[data-tabs] [role=tablist]")) {
        list.hidden = false;
        list.closest("[data-tabs]").classList.add("k-live");
        choose(list.querySelector("[aria-selected=true]"));
    }
})();
