// The statement of one account: every posting of a period, between two balances.

import { html, useState } from "/ui/vendor/preact.js";
import { get } from "../../lib/api.js";
import { useList } from "../../lib/list.js";
import { PeriodChoice } from "../../lib/shared.js";
import { money, moment, t } from "../../lib/text.js";
import { Table } from "../../lib/table.js";
import { Facts, Failure, useLoad } from "../../lib/ui.js";

const DAY_MS = 86_400_000;

export default function Statement({ account, path }) {
  const [days, setDays] = useState(31);
  const [book, setBook] = useState("balance");
  const [now] = useState(() => Date.now());
  const period = { book, from_ms: now - days * DAY_MS, till_ms: now };
  const key = JSON.stringify(period);
  const head = useLoad((signal) => get(`${path}/statement`, { ...period, limit: 1 }, signal), key);
  const { rows, busy, error } = useList(`${path}/statement`, period);
  const { currency } = account;
  const columns = [
    { id: "at", label: t("Time"), value: (row) => row.at_ms, show: (row) => moment(row.at_ms) },
    { id: "kind", label: t("Kind"), value: (row) => t(row.kind) },
    { id: "with", label: t("With"), value: (row) => row.counterparty_id || t(row.counterparty) },
    { id: "reason", label: t("Reason"), value: (row) => row.reason },
    { id: "amount", label: t("Amount"), kind: "number", value: (row) => row.amount_micros, show: (row) => money(row.amount_micros) },
    { id: "balance", label: t("Balance"), kind: "number", value: (row) => row.balance_micros, show: (row) => money(row.balance_micros) },
  ];
  const file = `/api/v1${path}/statement.csv?${new URLSearchParams(period)}`;
  const choices = html`
    <${PeriodChoice} days=${days} change=${setDays} />
    ${account.category === "agent" && html`<select aria-label=${t("Book")} value=${book} onChange=${(event) => setBook(event.target.value)}>
      <option value="balance">${t("Balance")}</option><option value="revenue">${t("Earned")}</option>
    </select>`}
    <a class="button" href=${file} download>${t("Whole period as CSV")}</a>`;
  return html`
    <${Failure} error=${error || head.error} />
    ${head.data && html`<${Facts} rows=${[
      [t("Opening balance"), money(head.data.opening_micros, currency)],
      [t("Closing balance"), money(head.data.closing_micros, currency)],
    ]} />`}
    <${Table} name="statement" label=${t("Statement")} columns=${columns} rows=${rows} busy=${busy} tools=${choices}
      rowKey=${(row) => `${row.id} ${row.at_ms} ${row.amount_micros}`} empty=${t("Nothing was posted in this period.")} />`;
}
