// The frame: themes, navigation, menus, parts that refresh themselves, "/" for the search.
"use strict";

(() => {
    const root = document.documentElement;
    const byId = (id) => document.getElementById(id);
    const shown = (button, open) => button?.setAttribute("aria-expanded", String(open));

    // --- light and dark

    theme.show();
    theme.system.addEventListener("change", () => theme.show());

    // --- navigation: folds away in wide windows, is a drawer in narrow ones

    function drawer(open) {
        root.classList.toggle("q-drawer", open);
        shown(byId("drawer-button"), open);
        for (const part of document.querySelectorAll("#main, .q-skip")) {
            part.inert = open;
        }
        byId(open ? "drawer-close" : "drawer-button")?.focus();
    }

    function fold() {
        const folded = root.classList.toggle("q-folded");
        shown(byId("fold-button"), !folded);
        try {
            localStorage.setItem("sidebarFolded", folded ? "1" : "0");
        } catch {
            // Then it lasts until the next page.
        }
    }
    shown(byId("fold-button"), !root.classList.contains("q-folded"));
    // A window that becomes wide needs no drawer.
    window.matchMedia("(width >= 80rem)").addEventListener("change", () => root.classList.contains("q-drawer") && drawer(false));

    // --- menus, and rows that expand: [data-toggles="id"], with aria-expanded

    function toggle(button, open) {
        shown(button, open);
        byId(button.dataset.toggles).hidden = !open;
    }

    function close(but = null, focus = false) {
        for (const button of document.querySelectorAll("[data-menu][aria-expanded=true]")) {
            if (!but || !(button.contains(but) || byId(button.dataset.toggles).contains(but))) {
                toggle(button, false);
                if (focus) {
                    button.focus();
                }
            }
        }
    }

    document.addEventListener("click", (event) => {
        const at = (selector) => event.target.closest(selector);
        close(event.target);
        if (at("[data-toggles]")) {
            toggle(at("[data-toggles]"), at("[data-toggles]").getAttribute("aria-expanded") !== "true");
        } else if (at("[data-theme-choice]")) {
            theme.choose(at("[data-theme-choice]").dataset.themeChoice);
        } else if (at("#drawer-button")) {
            drawer(true);
        } else if (at("#drawer-close") || (root.classList.contains("q-drawer") && !at(".q-sidebar-inner"))) {
            drawer(false);
        } else if (at("#fold-button")) {
            fold();
        } else if (at("[data-reveals]")) {
            reveal(at("[data-reveals]"));
        }
    });
    document.addEventListener("focusin", (event) => close(event.target));
    document.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && document.querySelector("[data-menu][aria-expanded=true]")) {
            close(null, true);
        } else if (event.key === "Escape" && root.classList.contains("q-drawer")) {
            drawer(false);
        } else if (event.key === "/" && !event.target.closest("input, textarea, select, [contenteditable]")) {
            const search = document.querySelector("#main input[type=search]");
            if (search) {
                event.preventDefault();
                search.focus();
            }
        }
    });

    function reveal(button) {
        const input = byId(button.dataset.reveals);
        const visible = input.type === "password";
        input.type = visible ? "text" : "password";
        button.setAttribute("aria-pressed", String(visible));
        button.firstElementChild.textContent = visible ? "visibility_off" : "visibility";
    }

    // --- parts that refresh themselves: [data-every="3"] triggers "poll" every 3 s while the page is visible and, with
    // [data-while="selector"], while such an element exists; the values of their input[data-kept] are sent too

    // A details[data-stays] stays open or closed when its part is replaced.
    let opened = new Map();
    document.addEventListener("htmx:beforeSwap", ({ detail }) => {
        opened = new Map([...detail.target.querySelectorAll("details[data-stays]")].map((one) => [one.id, one.open]));
    });
    document.addEventListener("htmx:afterSwap", () => {
        for (const [id, open] of opened) {
            byId(id)?.toggleAttribute("open", open);
        }
    });

    // The focus stays where it was when a part is replaced: on the same link or button, else in the same row, else in
    // the part. htmx itself only finds elements with an id.
    const CONTROLS = "a[href], button, input:not([type=hidden])";
    const nameOf = (one) => `${one.getAttribute("href")} ${one.ariaLabel ?? one.textContent.trim()}`;
    let place = null;

    document.addEventListener("htmx:beforeSwap", ({ detail }) => {
        const focused = document.activeElement;
        const isInside = detail.shouldSwap && focused !== detail.target && detail.target.contains(focused);
        place = isInside && {
            kind: focused.localName,
            name: nameOf(focused),
            row: focused.parentElement.closest("[id]")?.id,
        };
    });
    document.addEventListener("htmx:afterSwap", ({ detail }) => {
        if (place && document.activeElement === document.body) {
            const controls = [...detail.target.querySelectorAll(CONTROLS)];
            const row = byId(place.row);
            const same = controls.find((one) => nameOf(one) === place.name);
            const near = row?.querySelector(place.kind) ?? row?.querySelector(CONTROLS);
            (same ?? near ?? controls[0])?.focus({ preventScroll: true });
        }
        place = null;
    });

    // In a row of tabs that is wider than the window, the chosen one is in view.
    function showChosen() {
        for (const chosen of document.querySelectorAll(".x-tabs > [aria-current]")) {
            const row = chosen.parentElement;
            const left = chosen.getBoundingClientRect().left - row.getBoundingClientRect().left;
            row.scrollLeft += left - (row.clientWidth - chosen.offsetWidth) / 2;
        }
    }
    document.addEventListener("htmx:afterSwap", showChosen);
    showChosen();

    const seconds = new WeakMap();

    setInterval(() => {
        if (document.hidden) {
            return;
        }
        for (const part of document.querySelectorAll("[data-every]")) {
            const passed = (seconds.get(part) ?? 0) + 1;
            const due = passed >= Number(part.dataset.every);
            seconds.set(part, due ? 0 : passed);
            if (due && (!part.dataset.while || document.querySelector(part.dataset.while))) {
                htmx.trigger(part, "poll");
            }
        }
    }, 1000);

    // --- no answer from the console: shown until it answers again; a lost change, until another one succeeds

    const silence = byId("silence");

    if (silence) {
        // Parts whose last poll was not answered.
        const silent = new Set();
        const isRead = (detail) => detail.requestConfig.verb === "get";
        const onSilence = ({ detail }) => {
            // A dialog that is open makes everything outside it inert.
            (document.querySelector("dialog[open]") ?? byId("content")).prepend(silence);
            byId(isRead(detail) ? "offline" : "unsent").hidden = false;
            if (detail.elt.dataset.every) {
                silent.add(detail.elt);
            }
        };

        document.addEventListener("close", () => byId("content").prepend(silence), true);
        document.addEventListener("htmx:sendError", onSilence);
        document.addEventListener("htmx:timeout", onSilence);
        document.addEventListener("htmx:responseError", (event) => {
            // A proxy answered instead of the console.
            if ([502, 503, 504].includes(event.detail.xhr.status) && isRead(event.detail)) {
                onSilence(event);
            }
        });
        document.addEventListener("htmx:afterRequest", ({ detail }) => {
            if (!detail.successful) {
                return;
            }
            silent.delete(detail.elt);
            for (const part of silent) {
                if (part.isConnected) {
                    htmx.trigger(part, "poll");
                } else {
                    silent.delete(part);
                }
            }
            byId("offline").hidden = silent.size === 0;
            byId("unsent").hidden ||= !isRead(detail);
        });
    }

    document.addEventListener("htmx:configRequest", ({ detail }) => {
        if (detail.triggeringEvent?.type === "poll") {
            // Without a time limit, a connection that hangs would freeze the page, and nothing would show it.
            detail.timeout = 20_000;
        }
        if (detail.elt.matches("[hx-get][hx-trigger]:not(form)")) {
            for (const kept of detail.elt.querySelectorAll("input[data-kept]")) {
                detail.parameters[kept.name] = kept.value;
            }
        }
    });
})();
