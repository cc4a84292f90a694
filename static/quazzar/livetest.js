// The test mail: reads the server's lines while the test runs, and shows each stage as it is reported.
"use strict";

(() => {
    const form = document.getElementById("test-form");
    if (!form) {
        return;
    }
    const places = { stages: document.getElementById("test-stages"), result: document.getElementById("test-result") };
    const button = document.getElementById("test-button");
    const words = button.textContent;

    function show(line) {
        // The server escapes what it puts into this HTML.
        for (const [part, html] of Object.entries(JSON.parse(line))) {
            places[part].innerHTML = html;
        }
    }

    async function read(response) {
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        for (;;) {
            const { value, done } = await reader.read();
            if (done) {
                break;
            }
            const lines = (rest + value).split("\n");
            rest = lines.pop();
            lines.forEach(show);
        }
    }

    async function run() {
        const response = await fetch(form.action, {
            method: "POST",
            body: new FormData(form),
            headers: { Accept: "application/x-ndjson" },
        });
        // Anything but lines is another page: the operator was signed out meanwhile, or the plan changed.
        if (!response.headers.get("Content-Type")?.startsWith("application/x-ndjson")) {
            window.location.reload();
            return;
        }
        await read(response);
    }

    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (button.disabled) {
            return;
        }
        button.disabled = true;
        button.textContent = "Sending…";
        places.result.replaceChildren();
        try {
            await run();
            places.result.scrollIntoView({ block: "nearest" });
        } catch {
            const note = document.createElement("p");
            note.className = "q-note q-bad";
            note.textContent = "The console stopped answering while the test ran. Is it still running? Then try again.";
            places.result.replaceChildren(note);
        } finally {
            button.disabled = false;
            button.textContent = words;
        }
    });
})();
