// Keeps the sum of the shares true while they are typed; the server counts them again on every button.
const shown = document.querySelector("[data-share-sum]");
const fields = document.querySelectorAll("[data-share]");

// Hundredths of a percent as a whole number, so that no fraction is ever added.
function hundredths(text) {
  const match = /^(\d{1,3})(?:\.(\d{1,2}))?\s*%?$/.exec(text.trim());
  return match ? Number(match[1]) * 100 + Number((match[2] || "").padEnd(2, "0")) : 0;
}

function show() {
  let sum = 0;
  for (const field of fields) sum += hundredths(field.value);
  const part = String(sum % 100).padStart(2, "0").replace(/0+$/, "");
  const words = `${Math.floor(sum / 100)}${part ? `.${part}` : ""} %`;
  shown.textContent = shown.textContent.replace(/[\d.]+ %/, words);
}

if (shown) for (const field of fields) field.addEventListener("input", show);
