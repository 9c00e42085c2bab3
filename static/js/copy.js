// Shows the copy buttons and copies the whole value; without JavaScript the value can be selected with one click.
function reveal(within) {
  for (const button of within.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const said = button.querySelector("[data-copy-said]");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    said.textContent = button.dataset.copied;
  } catch {
    // The clipboard is not available on plain http; say how to do it by hand.
    said.textContent = button.dataset.failed;
  }
});

if (navigator.clipboard) {
  reveal(document);
  document.addEventListener("htmx:load", (event) => reveal(event.target));
}
