// The Relay settings form: a provider fills in host, port and security; the page says when changes are not saved.
"use strict";

(() => {
    const form = document.getElementById("relay-form");
    const presets = new Map(JSON.parse(document.getElementById("relay-presets").textContent).map((one) => [one.id, one]));
    const field = (name) => form.elements.namedItem(name);
    const chosen = () => presets.get(form.querySelector("[name=provider]:checked")?.value);
    const connection = () => ({ host: field("host").value, port: field("port").value, security: field("security").value });
    // Each provider's connection as it was left, so that trying another provider loses nothing.
    const left = new Map();
    let current = chosen();

    field("filled").value = "yes";

    function fill(preset) {
        const known = left.get(preset.id);
        const region = field(`region_${preset.id}`);
        const values = known ?? { host: (region && region.value) || preset.host, port: preset.port, security: preset.security };
        for (const [name, value] of Object.entries(values)) {
            field(name).value = value;
        }
    }

    function fillUsername(from, to) {
        const username = field("username");
        if (to.id === "sendgrid" && !username.value) {
            username.value = "apikey";
        } else if (from?.id === "sendgrid" && username.value === "apikey") {
            username.value = "";
        }
    }

    function hint(name, text) {
        const line = form.querySelector(`[data-hint=${name}]`);
        line.textContent = text;
        line.hidden = !text;
    }

    function tell(preset) {
        hint("username", preset.hints.username);
        hint("password", preset.hints.password);
        document.getElementById("provider-docs").textContent = preset.docs;
        const ports = document.getElementById("other-ports");
        ports.hidden = !preset.other_ports;
        ports.textContent = `Is port 587 blocked on this network? ${preset.name} also listens on ${preset.other_ports}.`;
    }

    form.addEventListener("change", (event) => {
        const { name, value } = event.target;
        if (name === "provider") {
            left.set(current?.id, connection());
            const next = chosen();
            fill(next);
            fillUsername(current, next);
            tell(next);
            current = next;
        } else if (event.target.dataset.regionOf && value) {
            field("host").value = value;
        } else if (name === "security" && ["465", "587"].includes(field("port").value)) {
            field("port").value = value === "tls" ? 465 : 587;
        } else if (name === "port" && ["465", "587"].includes(value)) {
            field("security").value = value === "465" ? "tls" : "starttls";
        }
        told();
    });

    // --- not saved yet

    const shape = () => new URLSearchParams([...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken")).toString();
    const saved = form.hasAttribute("data-dirty") ? null : shape();

    function told() {
        const changed = shape() !== saved;
        for (const id of ["unsaved", "test-unsaved"]) {
            document.getElementById(id)?.toggleAttribute("hidden", !changed);
        }
        placed();
    }

    // --- the saved password belongs to the connection that it was entered for

    const place = document.getElementById("password-place");
    const savedPlace = JSON.parse(document.getElementById("password-place-saved").textContent);

    // As the server stores it: in lower case, with non-Latin names as A-labels.
    function normal(name, value) {
        const text = String(value).trim();
        if (name !== "host" || !text) {
            return text;
        }
        try {
            return new URL(`http://${text}`).hostname;
        } catch {
            return text.toLowerCase();
        }
    }

    function placed() {
        if (!place) {
            return;
        }
        // The provider fills in empty fields.
        const given = (name) => normal(name, field(name).value || (chosen()?.[name] ?? ""));
        const replaced = field("password").value || field("password-remove")?.checked;
        const moved = Object.entries(savedPlace).some(([name, value]) => given(name) !== normal(name, value));
        const words = replaced || !moved ? "" : given("host") ? place.dataset.moved : place.dataset.gone;
        if (place.textContent !== words) {
            place.textContent = words;
        }
    }

    form.addEventListener("input", told);
    // Browsers restore typed values before pageshow.
    window.addEventListener("pageshow", told);

    form.querySelector(".q-invalid :is(input, select, textarea)")?.focus();
})();
