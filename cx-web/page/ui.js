// Small parts of the page's surface.

/** @param {string} id @returns {HTMLElement} */
export function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** What the machine is doing before its first output. @param {string} text */
export function stage(text) {
  find("loading").hidden = false;
  find("stage").textContent = text;
}

/**
 * A panel over the terminal.
 * @param {string} title
 * @param {string} text
 * @param {string} code
 * @param {{label: string, primary?: boolean, run: () => void}[]} actions
 */
export function showProblem(title, text, code, actions) {
  find("loading").hidden = true;
  find("problem-title").textContent = title;
  find("problem-text").textContent = text;
  find("problem-code").textContent = code;
  const buttons = actions.map(({ label, primary, run }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.className = primary ? "primary" : "";
    button.addEventListener("click", run);
    return button;
  });
  find("problem-actions").replaceChildren(...buttons);
  find("problem").hidden = false;
  (buttons.find((button) => button.className) ?? buttons[0])?.focus();
}

export function hideProblem() {
  find("problem").hidden = true;
}

/**
 * A message that goes away by itself.
 * @param {string} text
 * @param {boolean} [bad]
 */
export function toast(text, bad = false) {
  const element = document.createElement("div");
  element.className = bad ? "toast bad" : "toast";
  element.textContent = text;
  find("toasts").append(element);
  setTimeout(() => element.remove(), bad ? 8000 : 4000);
}

/** @returns {"dark" | "light"} */
export function theme() {
  try {
    const kept = localStorage.getItem("cx-theme");
    if (kept === "dark" || kept === "light") return kept;
  } catch {
    // Storage may be forbidden; the system's preference is as good.
  }
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

/** @param {"dark" | "light"} name */
export function setTheme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("cx-theme", name);
  } catch {
    // It holds for this visit, then.
  }
}

/** @param {number} bytes */
export function humanBytes(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} KB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
