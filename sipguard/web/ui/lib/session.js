// Who is signed in, and what they may do.

import { get, keepToken, request } from "./api.js";

export const AUTHORIZATIONS = [
  "account", "phone", "card", "gateway", "gateway_information", "gateway_capacity", "own_payment", "sub_payment",
];

const MARK = "sipguard:signed-in";
let current = null;

/** The session: {username, role, account_id, authorizations}, or null. */
export const session = () => current;

/** Whether somebody is signed in already: on a reload, in another tab. */
export async function resume() {
  // Who never signed in here is not asked about: the answer would be an error in the browser's log.
  if (!localStorage.getItem(MARK)) return null;
  try {
    return begin(await get("/session"));
  } catch (error) {
    if (error.status === 401) return end();
    throw error;
  }
}

export async function signIn(credentials) {
  const { data } = await request("POST", "/session", { body: credentials });
  return begin(data);
}

export async function signOut() {
  await request("DELETE", "/session");
  end();
}

/** Forget the session: it is over. */
export function end() {
  current = null;
  keepToken(null);
  localStorage.removeItem(MARK);
  return null;
}

/** Whether the login is one of the operator's own people. */
export const isStaff = () => current !== null && current.role !== "account";

export const isAdministrator = () => current !== null && current.role === "administrator";

/** Whether the login holds an authorization at this moment; an administrator holds all. */
export const may = (authorization) =>
  isAdministrator() || (current !== null && (current.authorizations || []).includes(authorization));

function begin(data) {
  current = data;
  keepToken(data.csrf_token);
  localStorage.setItem(MARK, "yes");
  return data;
}
