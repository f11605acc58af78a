// The rows of one rate table; a price list is taken over after it was shown what would change.

import { html, useState } from "/ui/vendor/preact.js";
import { at, get, request } from "../lib/api.js";
import { useList } from "../lib/list.js";
import { may } from "../lib/session.js";
import { count, moment, money, number, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Dialog, Failure, Head, useLoad } from "../lib/ui.js";

const COLUMNS = [
  { id: "prefix", label: t("Prefix"), value: (row) => row.prefix },
  { id: "destination", label: t("Destination"), value: (row) => row.destination },
  { id: "country", label: t("Country"), value: (row) => number(row.prefix.padEnd(9, "0")).split(" ").slice(1).join(" ") },
  { id: "rate", label: t("Per minute"), kind: "number", value: (row) => row.rate_micros, show: (row) => money(row.rate_micros) },
  { id: "fee", label: t("Connect fee"), kind: "number", value: (row) => row.connect_fee_micros, show: (row) => money(row.connect_fee_micros) },
  { id: "increments", label: t("Increments, s"), value: (row) => `${row.initial_seconds}/${row.next_seconds}` },
  { id: "grace", label: t("Grace, s"), kind: "number", value: (row) => row.grace_seconds, hidden: true },
  { id: "from", label: t("Valid from"), value: (row) => row.valid_from, show: (row) => (row.valid_from ? moment(1000 * row.valid_from) : "") },
  { id: "till", label: t("Valid till"), value: (row) => row.valid_till, show: (row) => (row.valid_till ? moment(1000 * row.valid_till) : "") },
];

export default function RateTable({ id }) {
  const path = `/rate-tables${at(id)}`;
  const head = useLoad((signal) => get(path, null, signal), path);
  const { rows, busy, error, reload, cut } = useList(`${path}/rates`);
  const [importing, setImporting] = useState(false);
  return html`
    <${Head} title=${id} sub=${head.data && `${head.data.owner_id || t("the operator")}, ${head.data.currency}`}>
      <a class="button" href=${`/api/v1${path}/rates.csv`} download>${t("As a price list")}</a>
      ${may("account") && html`<button type="button" class="primary" onClick=${() => setImporting(true)}>${t("Take over a price list")}</button>`}
    </${Head}>
    <${Failure} error=${error || head.error} />
    ${cut && html`<p class="sub">${t("There are more rows than are shown.")}</p>`}
    <${Table} name="rates" label=${t("Rates")} columns=${COLUMNS} rows=${rows} busy=${busy} rowKey=${(row) => `${row.prefix} ${row.valid_from} ${row.valid_till}`} total=${head.data ? head.data.rows : undefined} empty=${t("No rows yet.")} />
    ${importing && html`<${Import} path=${path} onClose=${(changed) => { setImporting(false); if (changed) { reload(); head.reload(); } }} />`}`;
}

function Import({ path, onClose }) {
  const [state, setState] = useState({ csv: null, told: null, error: null, busy: false });
  const [keep, setKeep] = useState(true);
  const send = async (csv, dryRun) => {
    setState((before) => ({ ...before, csv, busy: true, error: null }));
    try {
      const { data } = await request("POST", `${path}/import`, { body: { csv, keep, dry_run: dryRun } });
      if (dryRun) setState({ csv, told: data, error: null, busy: false });
      else onClose(true);
    } catch (error) {
      setState({ csv: null, told: null, error, busy: false });
    }
  };
  const chosen = async (event) => {
    const [file] = event.target.files;
    if (file) await send(await file.text(), true);
  };
  const columns = [
    { id: "kind", label: t("What"), value: (row) => t(row.kind) },
    { id: "prefix", label: t("Prefix"), value: (row) => row.prefix },
    { id: "destination", label: t("Destination"), value: (row) => row.destination },
    { id: "old", label: t("Was"), kind: "number", value: (row) => row.old_rate_micros, show: (row) => money(row.old_rate_micros) },
    { id: "new", label: t("Becomes"), kind: "number", value: (row) => row.new_rate_micros, show: (row) => money(row.new_rate_micros) },
    { id: "line", label: t("Line"), kind: "number", value: (row) => row.line },
  ];
  return html`<${Dialog} title=${t("Take over a price list")} onClose=${() => onClose(false)}>
    <p><label>${t("A CSV file")} <input type="file" accept=".csv,text/csv" onChange=${chosen} /></label></p>
    <p><label><input type="checkbox" checked=${keep} onChange=${(event) => setKeep(event.target.checked)} /> ${t("Rows that are not in the file stay")}</label></p>
    ${state.error && html`<${Failure} error=${state.error} />${state.error.problems.length > 0 && html`<ul class="problems">${state.error.problems.slice(0, 50).map((one) => html`<li>${one.field} ${one.message}</li>`)}</ul>`}`}
    ${state.told && html`<p role="status">${t("{lines} lines:", { lines: count(state.told.lines) })} ${Object.entries(state.told.counts).map(([kind, rows]) => `${count(rows)} ${t(kind)}`).join(", ")}. ${t("Nothing was changed yet.")}</p>
      <${Table} name="price-list" label=${t("What would change")} columns=${columns} rows=${state.told.changes} rowKey=${(row) => `${row.kind} ${row.prefix} ${row.line}`} />`}
    <div class="buttons">
      <button type="button" onClick=${() => onClose(false)}>${t("Cancel")}</button>
      <button type="button" class="primary" disabled=${!state.told || state.busy} onClick=${() => send(state.csv, false)}>${t("Take it over")}</button>
    </div>
  </${Dialog}>`;
}
