// Dialogs: [data-opens="id"] opens one; [data-closes], or a click beside it, closes it; one that is open at first becomes
// modal.
"use strict";

document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
        event.preventDefault();
        document.getElementById(opener.dataset.opens).showModal();
        return;
    }
    const dialog = event.target.closest("dialog");
    if (!dialog) {
        return;
    }
    // A click on the element itself, outside its box, is a click on the backdrop.
    const box = dialog.getBoundingClientRect();
    const outside =
        event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
    if ((event.target === dialog && outside) || event.target.closest("[data-closes]")) {
        event.preventDefault(); // without scripts it is a link
        dialog.close();
    }
});

for (const dialog of document.querySelectorAll("dialog[open]")) {
    dialog.close();
    dialog.showModal();
}
