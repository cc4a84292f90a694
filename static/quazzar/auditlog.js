// The audit log's filters: a choice takes effect at once, and the two date fields are shown when they apply.
"use strict";

for (const form of document.querySelectorAll("[data-filters]")) {
    const period = form.elements.period;
    const days = () => {
        for (const field of form.querySelectorAll("[data-days]")) {
            field.hidden = period.value !== "-";
        }
    };
    days();
    form.addEventListener("change", (event) => {
        days();
        if (event.target.matches("select") && period.value !== "-") {
            form.requestSubmit();
        }
    });
}
