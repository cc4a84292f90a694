// Lists of rows: select one, a range with Shift, the page, or all; the bar shows how many.
"use strict";

(() => {
    const form = document.getElementById("changelist-form");
    const bar = form?.querySelector(".q-chosen");
    if (!bar) {
        return;
    }
    const page = document.getElementById("action-toggle");
    const across = bar.querySelector(".select-across");
    const everything = bar.querySelector("[data-everything]");
    const rows = () => [...form.querySelectorAll(".action-select")];
    let last = null;

    function show() {
        const chosen = rows().filter((row) => row.checked).length;
        const all = across.value === "1";
        if (page) {
            page.checked = chosen > 0 && chosen === rows().length;
            page.indeterminate = chosen > 0 && chosen < rows().length;
        }
        bar.querySelector("[aria-live]").textContent = all ? bar.dataset.all : `${chosen} selected`;
        if (everything) {
            everything.hidden = !page?.checked || all;
        }
    }

    form.addEventListener("click", (event) => {
        const box = event.target.closest(".action-select");
        if (box && event.shiftKey && last) {
            const [from, to] = [rows().indexOf(last), rows().indexOf(box)].sort((a, b) => a - b);
            rows().slice(from, to + 1).forEach((row) => { row.checked = box.checked; });
        }
        if (box) {
            last = box;
        }
        if (event.target.closest("[data-everything]")) {
            across.value = "1";
            show();
        }
    });
    form.addEventListener("change", (event) => {
        if (event.target === page) {
            rows().forEach((row) => { row.checked = page.checked; });
        }
        if (event.target === page || event.target.matches(".action-select")) {
            across.value = "0";
        }
        show();
    });
    window.addEventListener("pageshow", show);
})();
