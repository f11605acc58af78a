// The HTTP API, as the pages use it: nothing else, and nothing that a program could not do as well.

const PREFIX = "/api/v1";

let csrfToken = null;
let onSignedOut = () => {};

/** An answer that is no success (RFC 9457). `problems`: [{field, message}] of a 400. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `answer ${status}`);
    this.status = status;
    this.problems = body.problems || [];
    this.authorization = body.authorization;
    this.codeNeeded = Boolean(body.code_needed);
    this.standingInTheWay = body.standing_in_the_way || [];
  }
}

/** The token that changes carry; it comes with the session. */
export function keepToken(token) {
  csrfToken = token;
}

/** What to do when the session turns out to be over. */
export function whenSignedOut(callback) {
  onSignedOut = callback;
}

/**
 * Ask or change something. Resolves to {data, etag, status}; rejects with ApiError, or TypeError without a network.
 * `params`: query values, null ones left out; a list stands for repeated ones. `body`: JSON. `etag`: sent as If-Match.
 * `once`: an idempotency key.
 */
export async function request(method, path, { params, body, etag, once, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (csrfToken && method !== "GET") headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (etag !== undefined) headers["If-Match"] = etag || "*";
  if (once) headers["Idempotency-Key"] = once;
  const answer = await fetch(PREFIX + path + query(params), {
    method, headers, signal, credentials: "same-origin", cache: "no-store",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  const data = answer.status === 204 ? null : isJson ? await answer.json() : await answer.text();
  if (!answer.ok) {
    if (answer.status === 401 && csrfToken) onSignedOut();
    throw new ApiError(answer.status, isJson ? data : { detail: answer.statusText });
  }
  return { data, etag: answer.headers.get("ETag"), status: answer.status };
}

/** What GET answers. */
export async function get(path, params, signal) {
  return (await request("GET", path, { params, signal })).data;
}

/** Every page of a list, one after the other: calls `take(items)` with each. Stops when `signal` is aborted. */
export async function pages(path, params, take, signal) {
  let cursor = (params && params.cursor) || null;
  do {
    const page = await get(path, { ...params, cursor }, signal);
    take(page.items, page);
    cursor = page.next_cursor;
  } while (cursor && !(signal && signal.aborted));
}

/** An idempotency key: what is sent twice with it is done once. Browsers have randomUUID on https alone. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The path of something that people named: whatever is in the name. */
export function at(...parts) {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

function query(params) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(params || {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") found.append(name, one);
    }
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}
