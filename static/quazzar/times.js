// Times in the browser's zone. The server writes them in UTC; the tooltip keeps that.
"use strict";

(() => {
    const pad = (number) => String(number).padStart(2, "0");
    const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const clock = (at) => `${pad(at.getHours())}:${pad(at.getMinutes())}`;
    const day = (at) => `${pad(at.getDate())} ${months[at.getMonth()]}`;
    // The same forms as quazzar/console/shown.py.
    const forms = {
        moment(at, now = new Date()) {
            if (at.toDateString() === now.toDateString()) {
                return clock(at);
            }
            return at.getFullYear() === now.getFullYear() ? `${day(at)} ${clock(at)}` : `${day(at)} ${at.getFullYear()}`;
        },
        clock,
        day: (at) => `${day(at)} ${at.getFullYear()}`,
    };

    function localise(root) {
        for (const time of root.querySelectorAll("time[data-form]")) {
            const form = forms[time.dataset.form];
            const at = new Date(time.dateTime);
            if (form && !Number.isNaN(at.valueOf())) {
                time.textContent = form(at);
            }
            time.removeAttribute("data-form");
        }
    }

    localise(document);
    // Parts that scripts add later.
    new MutationObserver((changes) => {
        if (changes.some((change) => change.addedNodes.length)) {
            localise(document);
        }
    }).observe(document.body, { childList: true, subtree: true });
})();
