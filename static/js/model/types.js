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
 * @property {Record<string, string|number|boolean>|null} parameters the values, none of a secret; null: not to be seen
 * @property {boolean} parameters_truncated a list leaves them out
 * @property {{kind: "schedule"|"hook"|"retry", id: string|null}|null} cause null: somebody by hand
 * @property {string[]} may what the one who asked may do with it
 * @property {number} attempt from 1; a further one is a run of its own
 * @property {string|null} retry_of the run that it tries again
 * @property {string|null} not_before it stays queued until then
 * @property {string|null} [pool] a worker of it is to have the run; null: the server itself
 * @property {string|null} [host] the id of the host that has it
 * @property {string|null} [host_name] its name, where there are several
 * @property {string|null} [away_since] its host has not been heard of since
 * @property {{id: string, name: string, group: string}|null} [command] where it was asked for
 *
 * @typedef {object} Parameter
 * @property {string} name
 * @property {"string"|"text"|"integer"|"number"|"boolean"|"choice"|"date"|"secret"} type
 * @property {string|null} label
 * @property {string|null} description
 * @property {string|number|boolean|null} default
 * @property {boolean} required
 * @property {string[]} choices
 * @property {string|null} pattern
 * @property {number|null} min
 * @property {number|null} max
 * @property {number|null} max_length
 * @property {string|null} placeholder
 *
 * @typedef {object} Command
 * @property {string} id
 * @property {string} name
 * @property {string|null} description
 * @property {string|null} script null: it may not be seen
 * @property {string} group
 * @property {string} created_at
 * @property {string} updated_at
 * @property {string[]} warnings what will probably go wrong with the script
 * @property {string|null} key
 * @property {Parameter[]} parameters
 * @property {Record<string, string>} environment
 * @property {string|null} working_directory
 * @property {number|null} timeout_seconds
 * @property {number|null} grace_seconds
 * @property {number|null} max_output_bytes
 * @property {"stop"|"head_and_tail"|null} output_policy
 * @property {{limit: number, beyond: "queue"|"refuse"|"replace"}|null} concurrency how many of its runs go on at a time
 * @property {string|null} pool a worker of it runs it; null: the server that is asked
 * @property {string[]} requires labels that the worker is to have, `key=value`
 * @property {"wait"|"lose"|"retry"|null} [on_unreachable] what becomes of a run whose host is away
 * @property {number|null} [lost_after_seconds] for so long it is waited for
 * @property {boolean} options_truncated a list leaves parameters and the like out
 * @property {Retries|null} [retries]
 * @property {{target: string, on: string[]}[]|null} [notify] the targets that are told, and of what
 * @property {string} [etag] its version
 * @property {Run|null} last_run
 * @property {string[]} may what the one who asked may do with it
 *
 * @typedef {object} Hook lets another service start runs of a command
 * @property {string} id
 * @property {string} command_id
 * @property {string} name
 * @property {"github"|"gitlab"|"standard"} scheme how the sender signs
 * @property {string[]} events those that start a run; none: every one
 * @property {Record<string, string>} parameters JSON pointers into what is sent, by name
 * @property {boolean} enabled
 * @property {string} created_at ISO 8601
 * @property {string} created_by a principal
 * @property {string} deliveries the path to send to
 *
 * @typedef {{sequence: number} & (
 *   {type: "run", run: Run} | {type: "run-deleted", id: string, command_id: string} |
 *   {type: "command", command: Command} | {type: "command-deleted", id: string} |
 *   {type: "output-bytes", runs: {id: string, output_bytes: number}[]} |
 *   {type: "workers"} | {type: "pools"} | {type: "reset"} | {type: "alive", time: number}
 * )} Change what the events tell
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
 *
 * @typedef {object} Span a stretch of a row
 * @property {string} text
 * @property {{classes: string, foreground?: string, background?: string}} [style]
 * @property {string} [href] an address of the web
 * @property {boolean} [hidden] written to be concealed
 *
 * @typedef {object} Row one line of output as it is drawn; the same object for as long as nothing of it changes
 * @property {number} number of the line, from 1
 * @property {number|null} offset of its first byte
 * @property {Span[]} spans
 * @property {number} rest bytes of the line that are not in the spans; 0: none
 * @property {boolean} whole whether the line has ended
 * @property {boolean} [swallowed] what it says stands in another row: it is drawn with no height
 * @property {"context"|"gap"} [beside] of lines that match alone: a line beside one, or a sign for lines left out
 *
 * @typedef {object} Content rows that an `OutputWindow` shows, by their index from 0
 * @property {number} count of rows
 * @property {(first: number, last: number) => (Row|null)[]} rows those from `first` up to, not with, `last`; null: not
 * there yet
 * @property {(first: number, last: number) => void} want sees to it that they come, then calls `onChange`
 * @property {(index: number) => number} lineOf the number of a row's line
 * @property {(line: number) => number} indexOf the row of a line, or of the next one that there is a row of
 * @property {() => void} onChange set by the window: something of the rows, or their count, is another now
 *
 * @typedef {"viewer"|"operator"|"editor"|"admin"} Role
 *
 * @typedef {object} Who the one who asks
 * @property {string|null} principal such as "local:alice"; null: nobody known
 * @property {"local"|"token"|"session"|"everybody"|"nobody"} known_by
 * @property {Role|null} role in every group
 * @property {Record<string, Role>} roles by group
 * @property {"auto"|"required"|"off"} auth the setting TAILRUN_AUTH
 * @property {{oidc: boolean}} sign_in what there is besides the link
 * @property {boolean} [workers] whether there may be some
 *
 * @typedef {object} Worker a host that is met over NATS
 * @property {string} id
 * @property {string} name
 * @property {"worker"|"server"} role
 * @property {"active"|"draining"|"unreachable"|"removed"} state
 * @property {boolean} draining whether it is to get no more runs, also while it is unreachable
 * @property {string[]} pools
 * @property {string[]} labels
 * @property {number} places how many runs it has at once
 * @property {number} running how many it has
 * @property {string} version
 * @property {string} seen_at
 *
 * @typedef {object} Pool
 * @property {string} name
 * @property {number} waiting
 * @property {string|null} oldest_at
 * @property {{why: string, requires: string[], waiting: number, oldest_at: string}[]} in_vain what no worker can have
 *
 * @typedef {{items: Worker[], pools: Pool[], is_met: boolean|null}} Fleet is_met: whether the server reaches NATS
 *
 * @typedef {object} Token
 * @property {string} id
 * @property {string} name
 * @property {string} owner a principal
 * @property {Role} role
 * @property {string} group
 * @property {string} created_at
 * @property {string} expires_at
 * @property {string|null} revoked_at
 * @property {string|null} last_used_at
 *
 * @typedef {object} Grant
 * @property {string} id
 * @property {string} principal
 * @property {Role} role
 * @property {string} group
 * @property {string} created_at
 * @property {string} created_by a principal
 *
 * @typedef {object} Target of notifications
 * @property {string} id
 * @property {string} name
 * @property {"webhook"|"apprise"} type
 * @property {string} address what may be shown of its URL
 * @property {string} created_at
 * @property {string} created_by a principal
 * @property {string} updated_at
 *
 * @typedef {object} Retries how often a run that ends badly is tried again
 * @property {number} limit
 * @property {number} [delay_seconds]
 * @property {number} [backoff]
 * @property {string[]} [on] after which ends
 * @property {number[]} [exit_codes] of failed ones, after these alone; none: after all
 *
 * @typedef {object} Notification
 * @property {string} id
 * @property {string} target its name
 * @property {string} occasion such as "failed"
 * @property {"waiting"|"delivered"|"given_up"} state
 * @property {number} attempts
 * @property {string|null} next_try_at
 * @property {string|null} last_error
 * @property {string|null} delivered_at
 * @property {string|null} given_up_at
 *
 * @typedef {object} Entry of the audit
 * @property {string} id
 * @property {string} at
 * @property {string} principal
 * @property {string} known_by
 * @property {string} address
 * @property {string} act such as "command.start"
 * @property {string|null} command_id
 * @property {string|null} run_id
 * @property {string|null} script_sha256
 * @property {"done"|"refused"|"failed"} outcome
 * @property {Record<string, unknown>} details
 */

export {};
