/** The part of the HTTP API that lets other services start commands. */
import { request } from "./api.js";

const hooks = (commandId) => `/commands/${encodeURIComponent(commandId)}/hooks`;
const hook = (id) => `/hooks/${encodeURIComponent(id)}`;

export const listHooks = (commandId, options) => request("GET", hooks(commandId), options);
/** @returns {Promise<import("../model/types.js").Hook & {secret: string}>} with its secret, this once */
export const createHook = (commandId, fields) => request("POST", hooks(commandId), { body: fields });
export const changeHook = (id, fields) => request("PATCH", hook(id), { body: fields });
/** @returns {Promise<import("../model/types.js").Hook & {secret: string}>} with its new secret, this once */
export const renewSecret = (id) => request("POST", `${hook(id)}/secret`);
export const deleteHook = (id) => request("DELETE", hook(id));
