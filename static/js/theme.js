// Switches between light and dark and remembers the choice in the `theme` cookie, which the server reads.
// Without JavaScript the system's preference decides.
const root = document.documentElement;
const buttons = document.querySelectorAll("[data-theme-toggle]");

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

for (const button of buttons) {
  button.hidden = false;
  button.setAttribute("aria-pressed", String(isDark()));
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    root.dataset.theme = theme;
    document.cookie = `theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;
    for (const each of buttons) each.setAttribute("aria-pressed", String(theme === "dark"));
  });
}
