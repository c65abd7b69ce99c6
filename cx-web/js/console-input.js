// Keys on their way to the guest.

/**
 * Turns input codes into the bytes that a UTF-8 terminal sends. A code is what `String.charCodeAt` gives, so a
 * character outside the first plane comes as two.
 */
export class InputEncoder {
  #high = 0;
  #encoder = new TextEncoder();

  /**
   * @param {number} code
   * @returns {Uint8Array}
   */
  encode(code) {
    if (code >= 0xd800 && code < 0xdc00) {
      this.#high = code;
      return new Uint8Array();
    }
    let point = code;
    if (code >= 0xdc00 && code < 0xe000) {
      point = this.#high ? 0x10000 + ((this.#high - 0xd800) << 10) + (code - 0xdc00) : 0xfffd;
    }
    this.#high = 0;
    if (point < 0x80) return Uint8Array.of(point);
    return this.#encoder.encode(String.fromCodePoint(point));
  }
}

/** Gathers the bytes of one task, so that a paste is one message. */
export class InputQueue {
  /** @type {Uint8Array[]} */
  #parts = [];
  #send;

  /** @param {(bytes: Uint8Array) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** @param {Uint8Array} bytes */
  push(bytes) {
    if (bytes.length === 0) return;
    if (this.#parts.push(bytes) === 1) queueMicrotask(() => this.#flush());
  }

  #flush() {
    const parts = this.#parts;
    this.#parts = [];
    this.#send(joined(parts));
  }
}

/** @param {Uint8Array[]} parts */
export function joined(parts) {
  if (parts.length === 1) return parts[0];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
