// Passkeys. form[data-passkey="create"]: its button creates one with the options in data-ceremony, and submits the form.
// form[data-passkey="get"]: its button asks for one, with options from the URL in data-options, and submits the form.
// [data-passkeys-only] is shown if the browser supports passkeys, [data-no-passkeys] if it does not.
"use strict";

(() => {
    const able = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON);
    for (const part of document.querySelectorAll("[data-passkeys-only]")) {
        part.hidden = !able;
    }
    for (const part of document.querySelectorAll("[data-no-passkeys]")) {
        part.hidden = able;
    }

    async function create(form) {
        const { options, state } = JSON.parse(form.dataset.ceremony);
        const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey);
        return [await navigator.credentials.create({ publicKey }), state];
    }

    async function get(form) {
        const { options, state } = await (await fetch(form.dataset.options)).json();
        const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey);
        return [await navigator.credentials.get({ publicKey }), state];
    }

    const REASONS = {
        NotAllowedError: "Nothing was chosen, or it took too long. Try again.",
        InvalidStateError: "This device has a passkey for you already.",
        SecurityError: "Browsers allow passkeys only over https, or on localhost.",
    };

    document.addEventListener("submit", async (event) => {
        const form = event.target.closest("form[data-passkey]");
        if (!form || form.elements.response.value) {
            return;
        }
        event.preventDefault();
        const said = form.querySelector("[data-passkey-said]");
        said.hidden = true;
        try {
            const [credential, state] = await (form.dataset.passkey === "create" ? create(form) : get(form));
            form.elements.response.value = JSON.stringify(credential);
            form.elements.state.value = state;
            form.requestSubmit();
        } catch (error) {
            said.textContent = REASONS[error.name] ?? "The passkey could not be used. Try again.";
            said.hidden = false;
        }
    });
})();
