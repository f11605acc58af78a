// From where on alerts about an account come, for itself or for everybody below it.

import { html, useState } from "/ui/vendor/preact.js";
import { at, get, request } from "../../lib/api.js";
import { Form } from "../../lib/form.js";
import { may } from "../../lib/session.js";
import { count, micros, money, t } from "../../lib/text.js";
import { Table } from "../../lib/table.js";
import { Confirm, Dialog, Failure, useLoad } from "../../lib/ui.js";

const KINDS = {
  call_spike: t("Spike of calls: attempts within a minute"),
  balance_falling: t("Fast-falling balance: per cent within ten minutes"),
  balance_low: t("Low balance: amount that is left"),
  sub_account_growth: t("Growth of sub-accounts: new ones within a day"),
  capacity: t("Capacity near full: per cent of the limit"),
  asr_collapse: t("ASR collapse: per cent of the usual"),
};

export default function Thresholds({ account, path }) {
  const { data, error, loading, reload } = useLoad((signal) => get(`${path}/thresholds`, null, signal), path);
  const [open, setOpen] = useState(null); // "new", or the row to be taken back
  const closed = (changed) => {
    setOpen(null);
    if (changed) reload();
  };
  const shown = (row) => (row.value === null ? t("never") : row.kind === "balance_low" ? money(row.value, account.currency) : count(row.value));
  const columns = [
    { id: "kind", label: t("Alert"), value: (row) => KINDS[row.kind] || row.kind },
    { id: "value", label: t("From"), kind: "number", value: (row) => row.value, show: shown },
    { id: "for", label: t("Holds for"), value: (row) => t(row.subtree ? "everybody below, too" : "this account") },
    ...(may("account") ? [{ id: "act", label: "", value: () => "", show: (row) => html`<button type="button" class="small" onClick=${() => setOpen(row)}>${t("Take back")}</button>` }] : []),
  ];
  return html`<${Failure} error=${error} />
    <${Table} name="thresholds" label=${t("Alert thresholds")} columns=${columns} rows=${data || []} busy=${loading} rowKey=${(row) => `${row.kind} ${row.subtree}`}
      tools=${may("account") && html`<button type="button" class="primary" onClick=${() => setOpen("new")}>${t("New threshold")}</button>`}
      empty=${t("None of its own: those of the agents above hold, or the defaults.")} />
    ${open === "new" && html`<${New} path=${path} onClose=${closed} />`}
    ${open && open !== "new" && html`<${Confirm} title=${t("Take back")} verb=${t("Take back")} dangerous=${true} what=${t("{kind}: what those above say holds again.", { kind: KINDS[open.kind] })}
      run=${() => request("DELETE", `${path}/thresholds${at(open.kind)}${open.subtree ? "?subtree=true" : ""}`)} onClose=${closed} />`}`;
}

function New({ path, onClose }) {
  const fields = [
    { name: "kind", label: t("Alert"), kind: "choice", choices: Object.entries(KINDS) },
    { name: "value", label: t("From"), hint: t("Empty: no such alerts.") },
    { name: "subtree", label: t("For everybody below, too"), kind: "switch" },
  ];
  const save = async (changed, all) => {
    const value = all.value.trim() === "" ? null : all.kind === "balance_low" ? micros(all.value) : /^\d{1,9}$/.test(all.value.trim()) ? Number(all.value) : NaN;
    if (Number.isNaN(value)) throw Object.assign(new Error(), { problems: [{ field: "value", message: t("Not an amount, or not a whole number.") }] });
    await request("PUT", `${path}/thresholds${at(all.kind)}`, { body: { value, subtree: all.subtree } });
    onClose(true);
  };
  return html`<${Dialog} title=${t("New threshold")} onClose=${() => onClose(false)}>
    <${Form} fields=${fields} values=${{ kind: "balance_low", value: "", subtree: false }} save=${save} onCancel=${() => onClose(false)} />
  </${Dialog}>`;
}
