// Alerts: what stands, what was, and who has seen it.

import { html, useState } from "/ui/vendor/preact.js";
import { at, request } from "../lib/api.js";
import { Form } from "../lib/form.js";
import { useList } from "../lib/list.js";
import { session } from "../lib/session.js";
import { moment, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Dialog, Failure, Head } from "../lib/ui.js";

export default function Alerts({ query }) {
  const every = query.show === "all";
  const { rows, busy, error, reload } = useList("/alerts", { standing: !every });
  const [open, setOpen] = useState(null);
  const mayAcknowledge = session().role !== "viewer";
  const columns = [
    { id: "raised", label: t("Raised"), value: (row) => row.raised_ms, show: (row) => moment(row.raised_ms) },
    { id: "kind", label: t("Alert"), value: (row) => t(row.kind.replaceAll("_", " ")) },
    { id: "subject", label: t("About"), value: (row) => row.subject },
    { id: "text", label: t("What"), value: (row) => row.text },
    { id: "state", label: t("State"), value: (row) => t(row.cleared_ms ? "over" : "standing"), show: (row) => html`<${Badge} kind=${row.cleared_ms ? "good" : "bad"}>${t(row.cleared_ms ? "over" : "standing")}</${Badge}>` },
    { id: "by", label: t("Seen by"), value: (row) => row.acknowledged_by, show: (row) => row.acknowledged_by
      ? html`<span title=${row.note}>${row.acknowledged_by}, ${moment(row.acknowledged_ms)}</span>`
      : mayAcknowledge && html`<button type="button" class="small" onClick=${() => setOpen(row)}>${t("Acknowledge")}</button>` },
  ];
  const save = async (changed, all) => {
    await request("POST", `/alerts${at(String(open.id))}/acknowledgement`, { body: { note: all.note || "" } });
    setOpen(null);
    reload();
  };
  return html`
    <${Head} title=${t("Alerts")}>
      <div class="segments" role="group" aria-label=${t("Which")}>
        <a href="/alerts" aria-current=${every ? null : "true"}>${t("Standing")}</a>
        <a href="/alerts?show=all" aria-current=${every ? "true" : null}>${t("All")}</a>
      </div>
    </${Head}>
    <${Failure} error=${error} />
    <${Table} name="alerts" label=${t("Alerts")} columns=${columns} rows=${rows} busy=${busy} empty=${t("Nothing is wrong that sipguard knows of.")} />
    ${open && html`<${Dialog} title=${t("Acknowledge")} onClose=${() => setOpen(null)}>
      <p>${open.text}</p>
      <${Form} fields=${[{ name: "note", label: t("Note") }]} values=${{}} save=${save} verb=${t("I have seen it")} onCancel=${() => setOpen(null)} />
    </${Dialog}>`}`;
}
