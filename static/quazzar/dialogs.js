// Dialogs: [data-opens="id"] opens one, [data-closes] closes it, one that is open from the start becomes modal.
"use strict";

for (const opener of document.querySelectorAll("[data-opens]")) {
    opener.addEventListener("click", (event) => {
        event.preventDefault();
        document.getElementById(opener.dataset.opens).showModal();
    });
}

for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
        // The dialog fills itself with its padding: a click on the element itself, outside its box, is the backdrop.
        const box = dialog.getBoundingClientRect();
        const outside =
            event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
        if ((event.target === dialog && outside) || event.target.closest("[data-closes]")) {
            dialog.close();
        }
    });
    if (dialog.open) {
        dialog.close();
        dialog.showModal();
    }
}
