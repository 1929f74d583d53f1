/** What of an output is read first: its end. Pure. */

/** Lines that are read, and kept, at a time. */
export const BLOCK_LINES = 200;
/** Of a request. */
export const PART_BYTES = 256 * 1024;

/** The query of the end of an output. */
export const END = { tail: BLOCK_LINES, max_bytes: PART_BYTES };
