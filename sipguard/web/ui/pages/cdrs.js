// Call records: searched by the server, the newest first, a page at a time.

import { html, useEffect, useState } from "/ui/vendor/preact.js";
import { at, get } from "../lib/api.js";
import { go } from "../lib/router.js";
import { duration, moment, money, number, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Failure, Head } from "../lib/ui.js";

const PAGE = 200;
export const OUTCOMES = { answered: "good", refused: "bad", failed: "warn", cancelled: "" };
const FILTERS = ["account", "called", "calling", "outcome", "reason", "sip_call_id", "from", "till"];

export default function Cdrs({ query }) {
  return html`<${Head} title=${t("Call records")} /><${Records} query=${query} />`;
}

/** The records that `query` chooses; `account`: those of one account, whatever the query says. */
export function Records({ query, account }) {
  const chosen = { ...query, ...(account && { account }) };
  const key = JSON.stringify(FILTERS.map((name) => chosen[name]));
  const [state, setState] = useState({ rows: [], cursor: null, busy: true, error: null });
  const load = async (cursor, signal) => {
    setState((before) => ({ ...before, rows: cursor ? before.rows : [], busy: true, error: null }));
    try {
      const page = await get("/cdrs", { ...asked(chosen), cursor, limit: PAGE }, signal);
      setState((before) => ({ rows: cursor ? before.rows.concat(page.items) : page.items, cursor: page.next_cursor, busy: false, error: null }));
    } catch (error) {
      if (!signal || !signal.aborted) setState((before) => ({ ...before, busy: false, error }));
    }
  };
  useEffect(() => {
    const stop = new AbortController();
    load(null, stop.signal);
    return () => stop.abort();
  }, [key]);
  return html`
    <${Search} query=${query} account=${account} />
    <${Failure} error=${state.error} />
    <${Table} name="cdrs" label=${t("Call records")} columns=${COLUMNS} rows=${state.rows} busy=${state.busy} rowKey=${(row) => row.call}
      open=${(row) => go(`/cdrs${at(row.call)}`)} empty=${t("No call was recorded that fits.")}
      tools=${state.cursor && html`<button type="button" onClick=${() => load(state.cursor)}>${t("Older ones")}</button>`} />`;
}

function Search({ query, account }) {
  const submit = (event) => {
    event.preventDefault();
    const given = [...new FormData(event.target)].filter(([, value]) => value !== "");
    go(`${location.pathname}?${new URLSearchParams(given)}`);
  };
  // Only where a box begins: what is typed while the rows are loading stays.
  const box = (name, label, type = "text") => html`<label>${label} <input name=${name} type=${type} defaultValue=${query[name] || ""} /></label>`;
  return html`<form class="filters" role="search" key=${JSON.stringify(query)} onSubmit=${submit}>
    ${!account && box("account", t("Account and below"))}
    ${box("called", t("Called begins with"))}
    ${box("calling", t("Calling begins with"))}
    <label>${t("Outcome")} <select name="outcome">
      <option value="">${t("any")}</option>
      ${Object.keys(OUTCOMES).map((one) => html`<option value=${one} selected=${query.outcome === one}>${t(one)}</option>`)}
    </select></label>
    ${box("from", t("From"), "datetime-local")}
    ${box("till", t("Till"), "datetime-local")}
    ${box("sip_call_id", t("Call-ID"))}
    <button type="submit" class="primary">${t("Search")}</button>
  </form>`;
}

const COLUMNS = [
  { id: "at", label: t("Time"), value: (row) => row.invited_ms, show: (row) => html`<a href=${`/cdrs${at(row.call)}`}>${moment(row.invited_ms)}</a>` },
  { id: "account", label: t("Account"), value: (row) => row.account_id || t("unknown") },
  { id: "calling", label: t("Calling"), value: (row) => row.calling || row.calling_received, show: (row) => (row.calling ? number(row.calling) : row.calling_received) },
  { id: "called", label: t("Called"), value: (row) => row.called || row.called_received, show: (row) => (row.called ? number(row.called) : row.called_received) },
  { id: "outcome", label: t("Outcome"), value: (row) => t(row.outcome), show: (row) => html`<${Badge} kind=${OUTCOMES[row.outcome]}>${t(row.outcome)}</${Badge}>` },
  { id: "status", label: t("Status"), kind: "number", value: (row) => row.status },
  { id: "reason", label: t("Reason"), value: (row) => row.reason && t(row.reason.replaceAll("_", " ")) },
  { id: "duration", label: t("Duration"), kind: "number", value: (row) => row.duration_ms, show: (row) => (row.answered_ms ? duration(row.duration_ms) : "") },
  { id: "charge", label: t("Charged"), kind: "number", value: (row) => row.levels[0] && row.levels[0].charge_micros, show: (row) => (row.levels[0] ? money(row.levels[0].charge_micros, row.currency) : "") },
  { id: "trunk", label: t("In by"), value: (row) => row.mapping_gateway_id || row.phone_id, hidden: true },
  { id: "ended_by", label: t("Ended by"), value: (row) => t(row.ended_by), hidden: true },
  { id: "pdd", label: t("PDD, ms"), kind: "number", value: (row) => row.pdd_ms, hidden: true },
];

const asked = (chosen) => ({
  account_id: chosen.account, called: chosen.called, calling: chosen.calling, outcome: chosen.outcome, reason: chosen.reason,
  sip_call_id: chosen.sip_call_id, from_ms: chosen.from && new Date(chosen.from).getTime(), till_ms: chosen.till && new Date(chosen.till).getTime(),
});
