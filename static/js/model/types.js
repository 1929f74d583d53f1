/**
 * The API's shapes, as types only (see docs/api.md).
 *
 * @typedef {"queued"|"running"|"succeeded"|"failed"|"stopped"|"timed_out"|"lost"} RunState
 *
 * @typedef {object} Run
 * @property {string} id
 * @property {string} command_id
 * @property {RunState} state
 * @property {string} created_at ISO 8601
 * @property {string} start_time ISO 8601
 * @property {string|null} end_time
 * @property {number|null} exitcode
 * @property {string|null} signal such as "SIGKILL"
 * @property {string|null} reason
 * @property {boolean} paused it was sent SIGSTOP, and not SIGCONT since
 * @property {boolean} stopping a stop was asked for and the run has not ended yet
 * @property {number} output_bytes
 * @property {number} output_lines
 *
 * @typedef {object} Command
 * @property {string} id
 * @property {string} name
 * @property {string|null} description
 * @property {string} script
 * @property {string} created_at
 * @property {string} updated_at
 * @property {string[]} warnings what will probably go wrong with the script
 * @property {string} [etag] its version
 * @property {Run|null} last_run
 *
 * @typedef {{items: Command[], next: string|null}} CommandPage
 * @typedef {{items: Run[], next: string|null}} RunPage
 *
 * @typedef {object} OutputFrame a stretch of a run's output
 * @property {number} offset of its first byte
 * @property {number} next the offset that follows it
 * @property {number} line the number of the line its first byte belongs to
 * @property {number} time unix seconds
 * @property {string} text
 */

export {};
