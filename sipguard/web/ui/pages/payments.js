// Payments of all accounts in scope, and what accounts ask for.

import { html, useMemo, useState } from "/ui/vendor/preact.js";
import { at, newKey, request } from "../lib/api.js";
import { Form } from "../lib/form.js";
import { useList } from "../lib/list.js";
import { PAYMENT_COLUMNS } from "../lib/payment.js";
import { may, session } from "../lib/session.js";
import { money, moment, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Dialog, Failure, Head, Tabs } from "../lib/ui.js";

const KIND_OF_STATE = { pending: "warn", approved: "good", refused: "bad", withdrawn: "" };

export default function Payments({ query }) {
  const part = query.part === "requests" ? "requests" : "payments";
  return html`
    <${Head} title=${t("Payments")} />
    <${Tabs} current=${part} tabs=${[
      { id: "payments", label: t("History"), href: "/payments" },
      { id: "requests", label: t("Requests"), href: "/payments?part=requests" },
    ]} />
    ${part === "requests" ? html`<${Requests} />` : html`<${History} />`}`;
}

function History() {
  const { rows, busy, error } = useList("/payments");
  return html`<${Failure} error=${error} />
    <${Table} name="payments" label=${t("Payments")} columns=${PAYMENT_COLUMNS} rows=${rows} busy=${busy} />`;
}

function Requests() {
  const { rows, busy, error, reload } = useList("/payment-requests");
  const [open, setOpen] = useState(null); // {row, verb} or {verb: "ask"}
  const own = session().account_id;
  const done = (changed) => {
    setOpen(null);
    if (changed) reload();
  };
  const verbs = (row) => (row.state !== "pending" ? [] : row.account_id === own ? ["withdrawal"] : may("sub_payment") ? ["approval", "refusal"] : []);
  const columns = [
    { id: "at", label: t("Time"), value: (row) => row.at_ms, show: (row) => moment(row.at_ms) },
    { id: "account", label: t("Account"), value: (row) => row.account_id },
    { id: "amount", label: t("Amount"), kind: "number", value: (row) => row.amount_micros, show: (row) => money(row.amount_micros, row.currency) },
    { id: "reason", label: t("Reason"), value: (row) => row.reason },
    { id: "state", label: t("State"), value: (row) => t(row.state), show: (row) => html`<${Badge} kind=${KIND_OF_STATE[row.state]}>${t(row.state)}</${Badge}>` },
    { id: "decision", label: t("Decision"), value: (row) => row.decision },
    { id: "act", label: "", value: () => "", show: (row) => verbs(row).map((verb) =>
      html`<button type="button" class="small" onClick=${() => setOpen({ row, verb })}>${VERBS[verb]}</button> `) },
  ];
  const ask = own && may("own_payment");
  return html`<${Failure} error=${error} />
    <${Table} name="payment-requests" label=${t("Requests")} columns=${columns} rows=${rows} busy=${busy} empty=${t("Nobody asks for money.")}
      tools=${ask && html`<button type="button" class="primary" onClick=${() => setOpen({ verb: "ask" })}>${t("Ask for money")}</button>`} />
    ${open && html`<${Decide} ...${open} onClose=${done} />`}`;
}

const VERBS = { approval: t("Pay"), refusal: t("Refuse"), withdrawal: t("Withdraw") };

function Decide({ row, verb, onClose }) {
  const once = useMemo(newKey, []);
  const asking = verb === "ask";
  const fields = [
    ...(asking ? [{ name: "amount_micros", label: t("Amount"), kind: "money", required: true }] : []),
    { name: "reason", label: t("Reason"), required: true },
  ];
  const save = async (changed) => {
    if (asking) await request("POST", "/payment-requests", { body: changed, once });
    else await request("POST", `/payment-requests${at(row.id)}/${verb}`, { body: changed, once });
    onClose(true);
  };
  const title = asking ? t("Ask for money") : `${VERBS[verb]}: ${money(row.amount_micros, row.currency)} · ${row.account_id}`;
  return html`<${Dialog} title=${title} onClose=${() => onClose(false)}>
    <${Form} fields=${fields} values=${{}} save=${save} verb=${asking ? t("Ask") : VERBS[verb]} onCancel=${() => onClose(false)} />
  </${Dialog}>`;
}
