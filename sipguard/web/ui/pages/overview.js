// What goes on at this moment: of everything for the operator's people, of its own tree for an account.

import { html, useEffect, useState } from "/ui/vendor/preact.js";
import { get } from "../lib/api.js";
import { Chart } from "../lib/chart.js";
import { useLive } from "../lib/live.js";
import { isStaff, session } from "../lib/session.js";
import { count, money, share, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Facts, Failure, Head } from "../lib/ui.js";

const HOUR = 3600;

export default function Overview() {
  const staff = isStaff();
  const { told, lost } = useLive();
  return html`
    <${Head} title=${t("Overview")} sub=${told && told.version && `sipguard ${told.version}`}>
      ${told && told.ready === false && html`<${Badge} kind="bad">${t("takes no new calls")}</${Badge}>`}
      ${told && told.ready && html`<${Badge} kind="good">${t("takes calls")}</${Badge}>`}
    </${Head}>
    ${lost && html`<${Failure} error=${{ message: t("No figures of this moment: {lost}", { lost }) }} />`}
    ${told && (staff ? html`<${Everything} told=${told} />` : html`<${Own} account=${told.account} />`)}
    <${Trends} scope=${staff ? "all" : "agent"} id=${staff ? "" : session().account_id} />
    ${told && staff && html`<${Refusals} told=${told} /><${Gateways} told=${told} />`}`;
}

function Everything({ told }) {
  const last = told.last["5m"];
  return html`<${Facts} rows=${[
    [t("Live calls"), count(told.calls.live)],
    [t("Being set up"), count(told.calls.attempts)],
    [t("Attempts per second"), told.per_second.attempts.toFixed(1)],
    [t("Refused per second"), told.per_second.refused.toFixed(1)],
    ...rates(last),
  ]} />`;
}

function Own({ account }) {
  if (!account) return null;
  return html`<${Facts} rows=${[
    [t("Live calls"), count(account.calls)],
    [t("Limit of calls"), account.call_limit === null ? t("no limit") : count(account.call_limit)],
    [t("Balance"), money(account.balance_micros, account.currency)],
    [t("Held by live calls"), money(account.held_micros, account.currency)],
    [t("Available"), money(account.available_micros, account.currency)],
    ...rates(account.last["5m"]),
  ]} />`;
}

const rates = (last) => [
  [t("ASR, 5 minutes"), share(last.asr)],
  [t("ACD, 5 minutes"), last.acd_seconds === null ? "–" : t("{seconds} s", { seconds: last.acd_seconds.toFixed(0) })],
  [t("PDD, 5 minutes"), last.pdd_ms === null ? "–" : t("{seconds} s", { seconds: (last.pdd_ms / 1000).toFixed(1) })],
];

function Trends({ scope, id }) {
  const [points, setPoints] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    const load = () => {
      const till = Math.floor(Date.now() / 1000);
      get("/series", { scope, key: id, from_at: till - 6 * HOUR, till_at: till + 60, step: 60 }, stop.signal).then(setPoints, (failed) => stop.signal.aborted || setError(failed));
    };
    load();
    const again = setInterval(load, 60_000);
    return () => {
      stop.abort();
      clearInterval(again);
    };
  }, [scope, id]);
  if (error) return html`<${Failure} error=${error} />`;
  if (!points || points.length === 0) return null;
  const times = points.map((point) => point.at);
  const line = (label, color, value) => ({ label, color, values: points.map(value) });
  return html`<section class="charts" aria-label=${t("The last six hours")}>
    <${Chart} title=${t("Calls per minute")} times=${times} series=${[
      line(t("answered"), "--good", (point) => point.answered),
      line(t("refused"), "--bad", (point) => point.refused),
      line(t("failed"), "--warn", (point) => point.failed + point.cancelled),
    ]} />
    <${Chart} title=${t("ASR")} unit="%" times=${times} series=${[line(t("ASR"), "--accent", (point) => (point.asr === null ? null : 100 * point.asr))]} />
  </section>`;
}

function Refusals({ told }) {
  const rows = Object.entries(told.since_start.refusals).map(([reason, calls]) => ({ id: reason, calls }));
  if (rows.length === 0) return null;
  const columns = [
    { id: "reason", label: t("Refused because"), value: (row) => t(row.id.replaceAll("_", " ")) },
    { id: "calls", label: t("Calls since start"), kind: "number", value: (row) => row.calls, show: (row) => count(row.calls) },
  ];
  return html`<${Table} name="refusals" label=${t("Refusals by reason")} columns=${columns} rows=${rows} />`;
}

function Gateways({ told }) {
  const columns = [
    { id: "id", label: t("Gateway"), value: (row) => row.id },
    { id: "kind", label: t("Kind"), value: (row) => t(row.kind === "routing_gateway" ? "routing" : "mapping") },
    { id: "state", label: t("State"), value: (row) => t(row.up ? "up" : "down"), show: (row) => html`<${Badge} kind=${row.up ? "good" : "bad"}>${t(row.up ? "up" : "down")}</${Badge}> ${row.why}` },
    { id: "calls", label: t("Calls"), kind: "number", value: (row) => row.calls, show: (row) => html`${count(row.calls)}${row.capacity !== null && html` / ${count(row.capacity)} <${Share} part=${row.calls} whole=${row.capacity} />`}` },
    { id: "asr", label: t("ASR, 5 minutes"), kind: "number", value: (row) => row["5m"] && row["5m"].asr, show: (row) => share(row["5m"] && row["5m"].asr) },
    { id: "attempts", label: t("Attempts, 5 minutes"), kind: "number", value: (row) => row["5m"] && row["5m"].attempts, show: (row) => count(row["5m"] && row["5m"].attempts) },
  ];
  return html`<${Table} name="gateways-now" label=${t("Gateways")} columns=${columns} rows=${told.gateways} total=${told.gateways_total} rowKey=${(row) => `${row.kind} ${row.id}`} />`;
}

const Share = ({ part, whole }) => html`<meter min="0" max=${whole || 1} high=${0.8 * whole} value=${part} aria-label=${t("Share of the capacity")}></meter>`;
