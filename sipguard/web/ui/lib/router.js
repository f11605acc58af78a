// Addresses of pages: plain paths, so that each can be kept, sent and opened again.

import { useEffect, useState } from "/ui/vendor/preact.js";

const CHANGED = "sipguard:moved";
let guard = null;

/** Go to a page of ours. `replace`: without a step to go back to. */
export function go(path, { replace = false } = {}) {
  if (path === location.pathname + location.search) return;
  if (guard && !guard()) return;
  history[replace ? "replaceState" : "pushState"](null, "", path);
  window.dispatchEvent(new Event(CHANGED));
}

/** The path and the query values of the page, and again whenever they change. */
export function useLocation() {
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const changed = () => setPlace(read());
    window.addEventListener(CHANGED, changed);
    window.addEventListener("popstate", changed);
    return () => {
      window.removeEventListener(CHANGED, changed);
      window.removeEventListener("popstate", changed);
    };
  }, []);
  return place;
}

/** Ask before a page is left: `check` says whether it may be. */
export function useGuard(check) {
  useEffect(() => {
    guard = check;
    const closing = (event) => {
      if (!check(true)) event.preventDefault();
    };
    window.addEventListener("beforeunload", closing);
    return () => {
      guard = null;
      window.removeEventListener("beforeunload", closing);
    };
  });
}

/** Follow links to our own pages without loading anything again. */
export function catchLinks(event) {
  const link = event.target.closest && event.target.closest("a[href^='/']");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.target || link.hasAttribute("download") || link.pathname.startsWith("/api/")) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

/** The values of "/accounts/:id" in a path; null where it is another. */
export function match(pattern, path) {
  const wanted = pattern.split("/");
  const parts = path.split("/");
  if (wanted.length !== parts.length) return null;
  const values = {};
  for (const [index, part] of wanted.entries()) {
    if (part.startsWith(":")) values[part.slice(1)] = decodeURIComponent(parts[index]);
    else if (part !== parts[index]) return null;
  }
  return values;
}

function read() {
  return { path: location.pathname, query: Object.fromEntries(new URLSearchParams(location.search)) };
}
