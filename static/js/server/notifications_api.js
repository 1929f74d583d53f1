/** The part of the HTTP API that tells of ends: targets, notifications, and further attempts. */
import { query, request } from "./api.js";

const target = (id) => `/notification-targets/${encodeURIComponent(id)}`;

export const listTargets = (options) => request("GET", "/notification-targets/", options);
export const createTarget = (fields) => request("POST", "/notification-targets/", { body: fields });
export const changeTarget = (id, fields) => request("PATCH", target(id), { body: fields });
export const deleteTarget = (id) => request("DELETE", target(id));
/** @returns {Promise<{delivered: boolean, error: string|null}>} what came of it */
export const testTarget = (id) => request("POST", `${target(id)}/test`);
export const listNotifications = (values, options) => request("GET", "/notifications/" + query(values), options);
