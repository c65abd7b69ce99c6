// Files in and out of the machine.

import { ask } from "./dialog.js";
import { find, humanBytes, toast } from "./ui.js";

/**
 * @param {import("../js/linux.js").Linux} linux
 * @param {string} home where uploads go
 * @param {() => void} done
 */
export function connectFiles(linux, home, done) {
  const picker = /** @type {HTMLInputElement} */ (find("files"));
  const upload = async (/** @type {Iterable<File>} */ files) => {
    for (const file of files) {
      const path = `${home}/${file.name}`;
      try {
        await linux.writeFile(path, await file.arrayBuffer());
        toast(`${path} (${humanBytes(file.size)}) is in the machine`);
      } catch (error) {
        toast(`${file.name} was not copied: ${/** @type {Error} */ (error).message}`, true);
      }
    }
    done();
  };
  find("upload").addEventListener("click", () => picker.click());
  picker.addEventListener("change", async () => {
    await upload([...(picker.files ?? [])]);
    picker.value = "";
  });
  find("download").addEventListener("click", async () => {
    const path = await ask({ title: "Save a file of the machine", text: "", yes: "Save", input: `${home}/` });
    if (path) await download(linux, path.startsWith("/") ? path : `${home}/${path}`);
    done();
  });
  connectDrop(upload);
}

/**
 * @param {import("../js/linux.js").Linux} linux
 * @param {string} path
 */
async function download(linux, path) {
  try {
    const bytes = await linux.readFile(path);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)]));
    link.download = path.split("/").pop() ?? "file";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    toast(`${path} was not saved: ${/** @type {Error} */ (error).message}`, true);
  }
}

/** @param {(files: File[]) => Promise<void>} upload */
function connectDrop(upload) {
  const veil = find("drop");
  const withFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragover", (event) => {
    if (!withFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!withFiles(event)) return;
    event.preventDefault();
    veil.hidden = true;
    void upload([...(event.dataTransfer?.files ?? [])]);
  });
}
