// The one error class of the API. Codes are stable: pages may branch on them. Messages say what to do.

/** What each code that is not an errno name means. @type {Record<string, string>} */
export const MEANINGS = {
  EHTTPRANGE: "the server does not answer range requests as a disk image needs",
  EBASECHANGED: "the base image is not the one that the local writes were made over",
  ELOCKED: "the store is in use by another tab",
  ESTORE: "what the browser stored makes no sense",
  EENGINE: "the engine stopped",
  EDELETED: "the machine or its devices were deleted",
  EMOUNT: "the list of mounts cannot be used",
  EUNSUPPORTED: "this build or browser cannot do that",
  EARGUMENT: "the caller passed something that is not allowed",
};

/**
 * An error with a stable code: an errno name (`ENOENT`) where the guest's kernel would give one, or a key of
 * {@link MEANINGS}.
 */
export class CxError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   * @param {{errno?: number, cause?: unknown}} [more]
   */
  constructor(code, message, more = {}) {
    super(message ?? MEANINGS[code] ?? code, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "CxError";
    this.code = code;
    /** The Linux error number, where the error has one. @type {number | undefined} */
    this.errno = more.errno;
  }
}

/**
 * Any thrown value as a {@link CxError}.
 * @param {unknown} thrown
 * @param {string} [code] for what has none
 */
export function asCxError(thrown, code = "EENGINE") {
  if (thrown instanceof CxError) return thrown;
  if (thrown instanceof Error) {
    const own = /** @type {{code?: unknown, errno?: unknown}} */ (thrown);
    const known = typeof own.code === "string" ? own.code : code;
    const errno = typeof own.errno === "number" ? own.errno : undefined;
    return new CxError(known, thrown.message, { cause: thrown, errno });
  }
  return new CxError(code, String(thrown));
}

/**
 * The parts of an error that cross between page and worker.
 * @param {unknown} thrown
 * @returns {{code: string, message: string, errno?: number}}
 */
export function toWire(thrown) {
  const { code, message, errno } = asCxError(thrown);
  return { code, message, errno };
}

/** @param {{code: string, message: string, errno?: number}} wire */
export function fromWire(wire) {
  return new CxError(wire.code, wire.message, { errno: wire.errno });
}
