/** The part of the HTTP API that says who may do what. */
import { apiUrl, ask, query, request } from "./api.js";

/** @type {import("../model/types.js").Who} */
export const NOBODY = {
  principal: null,
  known_by: "nobody",
  role: null,
  roles: {},
  auth: "required",
  sign_in: { oidc: false },
};

export const askWho = () => ask("GET", "/session");
/** @param {string} ticket of a sign-in link */
export const openSession = (ticket) => ask("POST", "/session", { body: { ticket } });
export const closeSession = () => ask("DELETE", "/session");
/** Leads to the provider of OpenID Connect and back. */
export const OIDC_URL = apiUrl("/session/oidc");

export const listTokens = (values, options) => request("GET", "/tokens/" + query(values), options);
export const createToken = (fields) => request("POST", "/tokens/", { body: fields });
export const revokeToken = (id) => request("DELETE", `/tokens/${encodeURIComponent(id)}`);
export const listGrants = (values, options) => request("GET", "/grants/" + query(values), options);
export const createGrant = (fields) => request("POST", "/grants/", { body: fields });
export const deleteGrant = (id) => request("DELETE", `/grants/${encodeURIComponent(id)}`);
export const listAudit = (values, options) => request("GET", "/audit/" + query(values), options);
