// One modal question.

import { find } from "./ui.js";

/**
 * Asks for a yes, or for a line of text. Null when the user says no.
 * @param {{title: string, text: string, yes: string, danger?: boolean, input?: string}} question
 * @returns {Promise<string | null>}
 */
export function ask({ title, text, yes, danger = false, input }) {
  const dialog = /** @type {HTMLDialogElement} */ (find("ask"));
  const field = /** @type {HTMLInputElement} */ (find("ask-input"));
  const button = find("ask-yes");
  find("ask-title").textContent = title;
  find("ask-text").textContent = text;
  find("ask-label").hidden = input === undefined;
  field.value = input ?? "";
  button.textContent = yes;
  button.className = danger ? "danger" : "primary";
  dialog.returnValue = "";
  dialog.showModal();
  if (input !== undefined) field.select();
  else button.focus();
  return new Promise((resolve) => {
    // Enter in the field must mean yes, though Cancel is the form's first button.
    const enter = (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      dialog.close("yes");
    };
    field.addEventListener("keydown", enter);
    const closed = () => {
      field.removeEventListener("keydown", enter);
      resolve(dialog.returnValue !== "yes" ? null : input === undefined ? "yes" : field.value.trim() || null);
    };
    dialog.addEventListener("close", closed, { once: true });
  });
}
