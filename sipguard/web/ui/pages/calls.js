// Calls that are there now, read again every two seconds; ended by hand.

import { html, useEffect, useState } from "/ui/vendor/preact.js";
import { at, get, request } from "../lib/api.js";
import { isStaff, may, session } from "../lib/session.js";
import { duration, number, t, time } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Confirm, Failure, Head } from "../lib/ui.js";

const AGAIN_MS = 2000;
const SHOWN = 1000;

export default function Calls({ query }) {
  const [state, setState] = useState({ rows: [], more: false, error: null, loading: true });
  const [ending, setEnding] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    let timer = null;
    const load = async () => {
      try {
        const page = await get("/calls", { limit: SHOWN, account_id: query.account }, stop.signal);
        setState({ rows: page.items, more: page.next_cursor !== null, error: null, loading: false });
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((before) => ({ ...before, error, loading: false }));
      }
      timer = setTimeout(load, AGAIN_MS);
    };
    load();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [query.account]);

  const mayEnd = session().role === "support" || may("account");
  const now = Date.now();
  const columns = [
    { id: "state", label: t("State"), value: (row) => t(row.answered_ms ? "talking" : "being set up"),
      show: (row) => html`<${Badge} kind=${row.answered_ms ? "good" : "warn"}>${t(row.answered_ms ? "talking" : "being set up")}</${Badge}>` },
    { id: "since", label: t("Since"), value: (row) => row.answered_ms || row.invited_ms, show: (row) => time(row.answered_ms || row.invited_ms) },
    { id: "length", label: t("Length"), kind: "number", value: (row) => (row.answered_ms ? now - row.answered_ms : 0), show: (row) => (row.answered_ms ? duration(now - row.answered_ms) : "") },
    { id: "account", label: t("Account"), value: (row) => row.account_id, show: (row) => html`<a href=${`/accounts${at(row.account_id)}`}>${row.account_id}</a>` },
    { id: "calling", label: t("Calling"), value: (row) => row.calling || t("anonymous"), show: (row) => (row.calling ? number(row.calling) : t("anonymous")) },
    { id: "called", label: t("Called"), value: (row) => row.called, show: (row) => number(row.called) },
    { id: "in", label: t("In by"), value: (row) => row.mapping_gateway_id },
    ...(isStaff() ? [{ id: "out", label: t("Out by"), value: (row) => row.routing_gateway_id }] : []),
    { id: "granted", label: t("Paid for"), kind: "number", value: (row) => row.granted_seconds, show: (row) => duration(1000 * row.granted_seconds) },
    { id: "call_id", label: t("Call-ID"), value: (row) => row.sip_call_id, hidden: true },
    ...(mayEnd ? [{ id: "act", label: "", value: () => "", show: (row) => html`<button type="button" class="small" onClick=${() => setEnding(row)}>${t("Hang up")}</button>` }] : []),
  ];
  return html`
    <${Head} title=${t("Live calls")} sub=${query.account && t("of {account} and all below", query)} />
    <${Failure} error=${state.error} />
    <${Table} name="calls" label=${t("Live calls")} columns=${columns} rows=${state.rows} busy=${state.loading} rowKey=${(row) => row.call} empty=${t("Nobody is calling.")}
      tools=${state.more && html`<span>${t("the oldest {count}", { count: SHOWN })}</span>`} />
    ${ending && html`<${Confirm} title=${t("Hang up")} dangerous=${true} verb=${t("Hang up")}
      what=${t("The call of {account_id} to {called} ends now: both sides get a BYE, and what it has cost is charged.", ending)}
      run=${() => request("DELETE", `/calls${at(ending.call)}`)} onClose=${() => setEnding(null)} />`}`;
}
