// Sub-agents that wait for an administrator's word.

import { html, useState } from "/ui/vendor/preact.js";
import { at, request } from "../lib/api.js";
import { Form } from "../lib/form.js";
import { useList } from "../lib/list.js";
import { isAdministrator, isStaff } from "../lib/session.js";
import { moment, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Dialog, Failure, Head } from "../lib/ui.js";

const KINDS = { pending: "warn", approved: "good", refused: "bad", withdrawn: "" };
const VERBS = { approve: t("Approve"), refuse: t("Refuse"), withdraw: t("Withdraw") };

export default function Approvals() {
  const { rows, busy, error, reload } = useList("/approvals");
  const [open, setOpen] = useState(null);
  const verbs = (row) => (row.state !== "pending" ? [] : isAdministrator() ? ["approve", "refuse"] : isStaff() ? [] : ["withdraw"]);
  const columns = [
    { id: "asked", label: t("Asked"), value: (row) => row.asked_ms, show: (row) => moment(row.asked_ms) },
    { id: "by", label: t("By"), value: (row) => row.asked_by },
    { id: "what", label: t("What"), value: (row) => `${t(row.action.replace(".", ": "))} ${row.account_id}` },
    { id: "reason", label: t("Reason"), value: (row) => row.reason },
    { id: "state", label: t("State"), value: (row) => t(row.state), show: (row) => html`<${Badge} kind=${KINDS[row.state]}>${t(row.state)}</${Badge}>` },
    { id: "decision", label: t("Decision"), value: (row) => row.decision },
    { id: "act", label: "", value: () => "", show: (row) => verbs(row).map((verb) => html`<button type="button" class="small" onClick=${() => setOpen({ row, verb })}>${VERBS[verb]}</button> `) },
  ];
  const save = async (changed, all) => {
    await request("POST", `/approvals${at(String(open.row.number))}/${open.verb}`, { body: open.verb === "withdraw" ? undefined : { reason: all.reason } });
    setOpen(null);
    reload();
  };
  return html`<${Head} title=${t("Approvals")} /><${Failure} error=${error} />
    <${Table} name="approvals" label=${t("Approvals")} columns=${columns} rows=${rows} busy=${busy} rowKey=${(row) => row.number} empty=${t("Nobody waits for a word.")} />
    ${open && html`<${Dialog} title=${`${VERBS[open.verb]}: ${open.row.account_id}`} onClose=${() => setOpen(null)}>
      <${Form} fields=${open.verb === "withdraw" ? [] : [{ name: "reason", label: t("Reason"), required: true }]} values=${{}} save=${save} verb=${VERBS[open.verb]} onCancel=${() => setOpen(null)} />
    </${Dialog}>`}`;
}
