// Numbers that several files of the worker share.

/** Bytes in a block of network devices; the same as `blockdev::BLOCK_BYTES`. */
export const BLOCK_BYTES = 128 * 1024;

/** How long the guest runs before the worker looks at its messages. */
export const BATCH_MS = 8;

/** Console bytes the page has not shown yet, above which the guest rests. */
export const CONSOLE_WINDOW = 256 * 1024;

/** Stream bytes the page has not consumed yet, above which the guest rests. */
export const STREAM_WINDOW = 1024 * 1024;
