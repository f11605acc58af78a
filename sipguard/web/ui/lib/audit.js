// The audit log, of everything in sight or of one account.

import { html, useState } from "/ui/vendor/preact.js";
import { useList } from "./list.js";
import { PeriodChoice } from "./shared.js";
import { moment, t } from "./text.js";
import { Table } from "./table.js";
import { Badge, Dialog, Failure } from "./ui.js";

const COLUMNS = [
  { id: "at", label: t("Time"), value: (row) => row.at_ms, show: (row) => moment(row.at_ms) },
  { id: "actor", label: t("Who"), value: (row) => t(row.actor) },
  { id: "via", label: t("By"), value: (row) => t(row.via), hidden: true },
  { id: "action", label: t("Did"), value: (row) => t(row.action.replace(".", ": ").replaceAll("_", " ")) },
  { id: "noun", label: t("To"), value: (row) => `${t(row.noun.replaceAll("_", " "))} ${row.id}` },
  { id: "authorization", label: t("Authorization"), kind: "number", value: (row) => row.authorization },
  { id: "outcome", label: t("Outcome"), value: (row) => t(row.outcome), show: (row) => html`<${Badge} kind=${row.outcome === "done" ? "good" : "bad"}>${t(row.outcome)}</${Badge}>` },
];

export function Audit({ accountId }) {
  const [outcome, setOutcome] = useState("");
  const [days, setDays] = useState(7);
  const [now] = useState(() => Date.now());
  const [open, setOpen] = useState(null);
  const { rows, busy, error, cut } = useList("/audit", { account_id: accountId, outcome, since_ms: now - days * 86_400_000 });
  const choices = html`
    <${PeriodChoice} days=${days} change=${setDays} />
    <select aria-label=${t("Outcome")} value=${outcome} onChange=${(event) => setOutcome(event.target.value)}>
      <option value="">${t("done and refused")}</option><option value="done">${t("done")}</option><option value="refused">${t("refused")}</option>
    </select>`;
  return html`<${Failure} error=${error} />
    ${cut && html`<p class="sub">${t("There are more than are shown: choose a shorter period.")}</p>`}
    <${Table} name="audit" label=${t("Audit log")} columns=${COLUMNS} rows=${rows} busy=${busy} tools=${choices} rowKey=${(row) => row.number} open=${setOpen} empty=${t("Nothing was done in this period.")} />
    ${open && html`<${Dialog} title=${`${open.action} ${open.id}`} onClose=${() => setOpen(null)}>
      <p class="sub">${moment(open.at_ms)} · ${open.actor}</p>
      <pre>${JSON.stringify(open.detail, null, 2)}</pre>
      <div class="buttons"><button type="button" onClick=${() => setOpen(null)}>${t("Close")}</button></div>
    </${Dialog}>`}`;
}
