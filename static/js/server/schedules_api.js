/** The part of the HTTP API that starts commands by themselves. */
import { query, request } from "./api.js";

const command = (id) => `/commands/${encodeURIComponent(id)}`;
const schedule = (id) => `/schedules/${encodeURIComponent(id)}`;
const matching = (etag) => (etag ? { "If-Match": etag } : {});

export const listSchedules = (values, options) => request("GET", "/schedules/" + query(values), options);
export const listSchedulesOf = (id, values, options) =>
  request("GET", `${command(id)}/schedules${query(values)}`, options);
export const getSchedule = (id, options) => request("GET", schedule(id), options);
export const createSchedule = (commandId, fields) => request("POST", `${command(commandId)}/schedules`, { body: fields });
/** @param {string} [etag] the version that is changed; 412 where it is another by now */
export const changeSchedule = (id, fields, etag) =>
  request("PATCH", schedule(id), { body: fields, headers: matching(etag) });
export const deleteSchedule = (id) => request("DELETE", schedule(id));
/** @param {{cron: string, time_zone: string}} line @param {{signal: AbortSignal}} options */
export const previewSchedule = (line, options) => request("GET", "/schedules/preview" + query(line), options);
export const listFires = (id, values, options) => request("GET", `${schedule(id)}/fires${query(values)}`, options);
/** @param {{note: string|null, until: string|null}} pause */
export const pauseCommand = (id, pause) => request("POST", `${command(id)}/pause`, { body: pause });
export const resumeCommand = (id) => request("POST", `${command(id)}/resume`);
