// This process's own standard streams, byte exact.

import { read, write } from "node:fs";

/**
 * Standard input by parts. Reads only when asked, so that a program that reads nothing takes nothing.
 */
export function standardInput() {
  const buffer = Buffer.alloc(64 * 1024);
  return {
    /** @returns {Promise<Uint8Array | null>} */
    next() {
      return new Promise((resolve, reject) => {
        const attempt = () =>
          read(0, buffer, 0, buffer.length, null, (error, length) => {
            // A terminal or pipe that another program made non-blocking has nothing just now.
            if (error?.code === "EAGAIN") setTimeout(attempt, 10);
            else if (error && error.code !== "EOF" && error.code !== "EIO") reject(error);
            else resolve(error || length === 0 ? null : Uint8Array.from(buffer.subarray(0, length)));
          });
        attempt();
      });
    },
  };
}

/**
 * Writes all bytes to a descriptor before it answers. False where nobody reads them any more.
 * @param {number} fd
 * @param {Uint8Array} bytes
 * @returns {Promise<boolean>}
 */
export function writeFully(fd, bytes) {
  return new Promise((resolve, reject) => {
    let at = 0;
    const step = () => {
      if (at >= bytes.length) return resolve(true);
      write(fd, bytes, at, bytes.length - at, null, (error, length) => {
        if (error?.code === "EAGAIN") return void setTimeout(step, 2);
        if (error?.code === "EPIPE") return resolve(false);
        if (error) return reject(error);
        at += length;
        step();
      });
    };
    step();
  });
}
