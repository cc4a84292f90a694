// The Mailboxes tab: its dialog, toasts, bulk actions, passwords and the setup.
"use strict";

(() => {
    const modal = document.getElementById("modal");
    const body = document.getElementById("modal-body");
    const wizard = document.getElementById("wizard");
    const report = () => document.querySelector("#preflight [data-ok]");

    // --- the dialog

    function showModal() {
        if (!modal.open) {
            modal.showModal();
        }
        const wrong = body.querySelector(".q-invalid :is(input, select, textarea)");
        const first = body.querySelector("[autofocus], form :is(input:not([type=hidden]), textarea), .q-button-primary");
        // A person reads from the top, unless something is wrong further down.
        (wrong ?? first)?.focus({ preventScroll: !wrong });
        modal.scrollTop = wrong ? modal.scrollTop : 0;
        checkPassword();
    }

    // Its content, which may include a password, is removed when it closes.
    modal.addEventListener("close", () => body.replaceChildren());
    document.body.addEventListener("htmx:afterSwap", (event) => {
        if (event.detail.target === body) {
            showModal();
        }
        for (const log of document.querySelectorAll("[data-at-end]")) {
            log.scrollTop = log.scrollHeight;
            log.removeAttribute("data-at-end");
        }
    });
    document.body.addEventListener("console-close", () => modal.close());

    // --- toasts: what was done, and what failed

    function toast(text, level) {
        const note = document.createElement("p");
        note.className = `q-toast q-toast-${level}`;
        const icon = document.createElement("span");
        icon.className = "material-symbols-outlined";
        icon.setAttribute("aria-hidden", "true");
        icon.textContent = level === "success" ? "check_circle" : "error";
        const words = document.createElement("span");
        words.textContent = text;
        note.append(icon, words);
        // While a modal dialog is open, only its content is visible.
        (modal.open ? modalToasts() : document.querySelector(".q-toasts")).append(note);
        setTimeout(() => note.remove(), 7_000);
    }

    function modalToasts() {
        let toasts = modal.querySelector(".q-toasts");
        if (!toasts) {
            toasts = document.createElement("div");
            toasts.className = "q-toasts";
            toasts.setAttribute("role", "status");
            modal.append(toasts);
        }
        return toasts;
    }

    document.body.addEventListener("console-toast", (event) => toast(event.detail.text, event.detail.level));
    const REFUSALS = {
        413: "That is too large, so nothing was changed.",
        503: "The database did not answer, so nothing was changed. Try again in a few seconds.",
    };
    document.body.addEventListener("htmx:responseError", (event) => {
        const { status } = event.detail.xhr;
        if (status === 404) {
            modal.close();
            toast("This no longer exists.", "error");
            htmx.trigger(document.body, "console-changed");
        } else if (status !== 401 && event.detail.requestConfig.verb !== "get") {
            toast(REFUSALS[status] ?? `The console could not do that (${status}). Its log says why.`, "error");
        }
    });
    document.body.addEventListener("htmx:afterRequest", (event) => {
        if (wizard && report()) {
            document.getElementById("check").textContent = "Check again";
        }
        if (event.detail.successful && event.detail.elt.dataset.then === "check") {
            htmx.trigger("#wizard", "submit");
        }
    });
    // A switch whose change was refused returns to its former state.
    document.body.addEventListener("htmx:afterRequest", (event) => {
        const { elt, successful } = event.detail;
        if (!successful && elt.matches("input[role=switch]")) {
            elt.checked = !elt.checked;
        }
    });

    // --- bulk actions: selected rows stay selected when the list is refreshed

    const list = document.getElementById("list");
    const boxes = () => [...document.querySelectorAll("#list [name=pk]")];
    const everything = () => document.getElementById("bulk-all");
    let kept = null; // the selection before the list was replaced

    function showSelection() {
        const page = document.getElementById("select-page");
        if (!page) {
            return;
        }
        const total = boxes().length;
        const selected = boxes().filter((box) => box.checked).length;
        page.checked = selected === total;
        page.indeterminate = selected > 0 && selected < total;
        document.getElementById("bulk-count").textContent = everything()?.checked ? "All selected" : `${selected} selected`;
    }

    function select(chosen) {
        for (const box of boxes()) {
            box.checked = chosen(box);
        }
        showSelection();
    }

    list?.addEventListener("change", ({ target }) => {
        if (target.id === "select-page") {
            select(() => target.checked);
        }
        if (!target.checked && everything() && (target.name === "pk" || target.id === "select-page")) {
            everything().checked = false;
        }
        showSelection();
    });
    document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
        if (detail.target === list) {
            // Another page or search shows other rows, so nothing is selected.
            const again = detail.requestConfig.elt === list;
            const selected = boxes().filter((box) => again && box.checked).map((box) => box.value);
            kept = { selected: new Set(selected), all: again && Boolean(everything()?.checked) };
        }
    });
    document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
        if (detail.target === list && kept) {
            if (everything()) {
                everything().checked = kept.all;
            }
            select((box) => kept.selected.has(box.value));
        }
    });
    document.body.addEventListener("console-close", () => {
        if (body.querySelector("[name=ids]")) {
            select(() => false);
        }
    });

    // Unfold's script expects a text input of its own beside every file input, and fails without one.
    document.addEventListener(
        "change",
        (event) => {
            if (event.target.matches("#mailboxes input[type=file]")) {
                event.stopPropagation();
            }
        },
        true,
    );

    // --- show a password, close the dialog

    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-reveals]");
        if (button) {
            const field = document.getElementById(button.dataset.reveals);
            field.type = field.type === "password" ? "text" : "password";
            button.querySelector("span").textContent = field.type === "password" ? "visibility" : "visibility_off";
        } else if (event.target.closest("#modal a[data-closes]")) {
            event.preventDefault();
        }
    });

    // --- the password's hints; the server decides

    function checkPassword() {
        const hints = document.getElementById("password-hints");
        const field = document.getElementById("id_password");
        if (!hints || !field) {
            return;
        }
        const form = field.closest("form");
        const local = form.elements.namedItem("local_part")?.value ?? "";
        const domain = form.elements.namedItem("domain")?.selectedOptions?.[0]?.text ?? "";
        const address = (form.dataset.address ?? `${local}@${domain}`).toLowerCase();
        const password = field.value;
        const rules = {
            length: password.length >= 8,
            address: ![address, address.split("@")[0]].includes(password.toLowerCase()),
            variety: new Set(password).size >= 5,
        };
        for (const line of hints.children) {
            line.dataset.met = password ? rules[line.dataset.rule] : "";
        }
    }

    document.addEventListener("input", (event) => {
        if (event.target.closest("[data-password-form]")) {
            checkPassword();
        }
        if (event.target.id === "id_password") {
            event.target.closest("form").querySelector("[name=generated]")?.remove();
        }
    });
    document.body.addEventListener("htmx:afterSettle", checkPassword);

    // --- setup: only the hostname that was checked can be enabled

    wizard?.addEventListener("input", () => {
        const checked = report();
        if (checked) {
            const same = wizard.elements.namedItem("hostname").value.trim() === checked.dataset.hostname;
            document.getElementById("enable").disabled = !same || checked.dataset.ok !== "true";
            checked.classList.toggle("m-stale", !same);
        }
    });
    // When the operator returns from a terminal, show what changed there.
    window.addEventListener("focus", () => {
        if (wizard && report()?.dataset.ok === "false") {
            htmx.trigger(wizard, "submit");
        }
    });
})();
