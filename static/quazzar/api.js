/* Pages of the browsable API: submits the forms, and shows the page that the answer contains. */

(() => {
    "use strict";

    const token = () => document.querySelector("input[name=csrfmiddlewaretoken]").value;

    function bodyOf(form) {
        const file = form.elements.file?.files[0];
        if (file) {
            const data = new FormData();
            data.append("file", file);
            return { body: data, headers: {} };
        }
        const text = form.elements.body?.value;
        if (!text) return { headers: {} };
        return { body: text, headers: { "Content-Type": form.elements.type.value } };
    }

    async function send(form) {
        const method = form.dataset.method;
        const { body, headers } = bodyOf(form);
        const response = await fetch(location.href, {
            method,
            body,
            headers: { ...headers, Accept: "text/html", "X-CSRFToken": token() },
            credentials: "same-origin",
        });
        show(response, await response.text(), method, form.elements.body?.value);
    }

    /** Replaces the page with the answer. An answer that is not a page (a file, an error of the node) is shown as text. */
    function show(response, text, method, typed) {
        if (!(response.headers.get("Content-Type") || "").startsWith("text/html")) {
            const pre = document.createElement("pre");
            pre.textContent = text || response.statusText;
            const card = document.createElement("section");
            card.className = "card";
            card.id = "answer";
            card.append(pre);
            document.getElementById("answer")?.remove();
            document.querySelector("form.send").before(card);
            return;
        }
        const page = new DOMParser().parseFromString(text, "text/html");
        document.title = page.title;
        document.body.replaceWith(page.body);
        const form = document.querySelector(`form.send[data-method=${method}]`);
        if (response.status >= 400 && form?.elements.body) form.elements.body.value = typed;
        ready();
        document.querySelector("#answer")?.scrollIntoView({ block: "nearest" });
    }

    function fit(area) {
        area.rows = Math.min(24, Math.max(4, area.value.split("\n").length + 1));
    }

    function ready() {
        for (const form of document.querySelectorAll("form.send")) {
            const { body, example } = form.elements;
            if (body) {
                fit(body);
                body.addEventListener("input", () => fit(body));
            }
            example?.addEventListener("change", () => {
                body.value = example.selectedOptions[0].dataset.body;
                fit(body);
            });
            form.addEventListener("submit", async (event) => {
                event.preventDefault();
                const button = form.querySelector("button");
                if (button.dataset.question && !confirm(button.dataset.question)) return;
                const busy = form.querySelector(".busy");
                button.disabled = true;
                busy.hidden = false;
                try {
                    await send(form);
                } catch (error) {
                    busy.textContent = `Nothing was answered: ${error.message}`;
                    button.disabled = false;
                }
            });
        }
    }

    ready();
})();
