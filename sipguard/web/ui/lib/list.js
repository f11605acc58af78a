// Lists of the API: all of their pages, shown as they come in.

import { useEffect, useState } from "/ui/vendor/preact.js";
import { get, pages } from "./api.js";

const FIRST = 100; // small, so that something is seen at once
const NEXT = 1000;
const ROWS_MAX = 100_000; // more is nothing that a person reads; the export of the API has it

/** {rows, busy, error, cut, reload}. `path` null: nothing is asked. `cut`: there are more rows than are shown. */
export function useList(path, params = {}) {
  const [state, setState] = useState({ rows: [], busy: path !== null, error: null, cut: false });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (path === null) return undefined;
    const stop = new AbortController();
    let rows = [];
    const take = (items) => {
      rows = rows.concat(items);
      if (rows.length >= ROWS_MAX) stop.abort();
      setState({ rows, busy: true, error: null, cut: rows.length >= ROWS_MAX });
    };
    const done = (error = null) => setState((before) => ({ ...before, rows, busy: false, error }));
    setState((before) => ({ ...before, busy: true, error: null, cut: false }));
    get(path, { ...params, limit: FIRST }, stop.signal)
      .then(async (page) => {
        take(page.items);
        if (page.next_cursor) await pages(path, { ...params, limit: NEXT, cursor: page.next_cursor }, take, stop.signal);
      })
      .then(() => done(), (error) => (error.name === "AbortError" ? rows.length >= ROWS_MAX && done() : done(error)));
    return () => stop.abort();
  }, [path, JSON.stringify(params), round]);
  return { ...state, reload: () => setRound((last) => last + 1) };
}
