// Moves focus to the box that lists what to correct, so that it is heard first; its links then lead to the fields.
function focusSummary(within) {
  const box = within.querySelector("[data-error-summary]");
  if (box) box.focus();
}

focusSummary(document);
document.addEventListener("htmx:load", (event) => focusSummary(event.target));

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-error-summary] a[href^='#']");
  if (!link) return;
  const field = document.getElementById(link.hash.slice(1));
  if (!field) return;
  event.preventDefault();
  field.closest(".field")?.scrollIntoView();
  field.focus({ preventScroll: true });
});
