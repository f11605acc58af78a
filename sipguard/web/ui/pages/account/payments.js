// Payments of one account.

import { html, useMemo, useState } from "/ui/vendor/preact.js";
import { at, newKey, request } from "../../lib/api.js";
import { useList } from "../../lib/list.js";
import { Pay, PAYMENT_COLUMNS } from "../../lib/payment.js";
import { may, session } from "../../lib/session.js";
import { money, t } from "../../lib/text.js";
import { Table } from "../../lib/table.js";
import { Confirm, Failure } from "../../lib/ui.js";

export default function Payments({ account, reload: reloadAccount }) {
  const { rows, busy, error, reload } = useList("/payments", { account_id: account.id });
  const [paying, setPaying] = useState(false);
  const [taking, setTaking] = useState(null);
  const mayPay = may("sub_payment") && account.id !== session().account_id;
  const done = (changed) => {
    setPaying(false);
    setTaking(null);
    if (!changed) return;
    reload();
    reloadAccount();
  };
  const columns = useMemo(() => (mayPay
    ? [...PAYMENT_COLUMNS, {
      id: "act", label: "", value: () => "", show: (row) => row.kind !== "reversal" && !row.reversed_by
        && html`<button type="button" class="small" onClick=${() => setTaking(row)}>${t("Take back")}</button>`,
    }]
    : PAYMENT_COLUMNS), [mayPay]);
  return html`
    <${Failure} error=${error} />
    <${Table} name="payments" label=${t("Payments")} columns=${columns} rows=${rows} busy=${busy} empty=${t("No payments yet.")}
      tools=${mayPay && html`<button type="button" class="primary" onClick=${() => setPaying(true)}>${t("New payment")}</button>`} />
    ${paying && html`<${Pay} account=${account} onClose=${done} />`}
    ${taking && html`<${Reverse} payment=${taking} onClose=${done} />`}`;
}

function Reverse({ payment, onClose }) {
  const once = useMemo(newKey, []);
  const [reason, setReason] = useState("");
  const what = html`${t("{amount} go back, whole, by a new payment. Why?", { amount: money(payment.amount_micros, payment.currency) })}
    <br /><input aria-label=${t("Reason")} value=${reason} onInput=${(event) => setReason(event.target.value)} />`;
  const run = () => request("POST", `/payments${at(payment.id)}/reversal`, { body: { reason }, once });
  return html`<${Confirm} title=${t("Take payment {id} back", payment)} what=${what} verb=${t("Take back")} dangerous=${true} run=${run} onClose=${onClose} />`;
}
