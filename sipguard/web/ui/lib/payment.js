// Moving money by hand.

import { html, useMemo } from "/ui/vendor/preact.js";
import { newKey, request } from "./api.js";
import { Form } from "./form.js";
import { isStaff } from "./session.js";
import { money, moment, t } from "./text.js";
import { Dialog } from "./ui.js";

export const KINDS = { top_up: t("Top-up"), deduction: t("Deduction"), transfer: t("Transfer"), reversal: t("Reversal") };

export const PAYMENT_COLUMNS = [
  { id: "at", label: t("Time"), value: (row) => row.at_ms, show: (row) => moment(row.at_ms) },
  { id: "kind", label: t("Kind"), value: (row) => KINDS[row.kind] || row.kind },
  { id: "from", label: t("From"), value: (row) => row.from_account_id || t("outside or above") },
  { id: "to", label: t("To"), value: (row) => row.to_account_id || t("outside or above") },
  { id: "amount", label: t("Amount"), kind: "number", value: (row) => row.amount_micros, show: (row) => money(row.amount_micros, row.currency) },
  { id: "reason", label: t("Reason"), value: (row) => row.reason },
  { id: "actor", label: t("By"), value: (row) => row.actor || t("above") },
  { id: "reverses", label: t("Takes back"), value: (row) => row.reverses, hidden: true },
  { id: "reversed_by", label: t("Taken back by"), value: (row) => row.reversed_by },
];

/** A dialog that moves money in or out of an account. The key of the request is made once: a second click pays nothing. */
export function Pay({ account, onClose }) {
  const once = useMemo(newKey, []);
  const from = isStaff() ? t("from outside") : t("from your own balance");
  const fields = [
    { name: "kind", label: t("What"), kind: "choice", choices: [["top_up", `${KINDS.top_up}, ${from}`], ["deduction", KINDS.deduction], ["transfer", KINDS.transfer]] },
    { name: "amount_micros", label: t("Amount in {currency}", account), kind: "money", required: true },
    { name: "to_account_id", label: t("To account, of a transfer"), nullable: true },
    { name: "reason", label: t("Reason"), required: true, hint: t("Both sides read it.") },
  ];
  const save = async (changed, all) => {
    const body = { kind: all.kind, account_id: account.id, amount_micros: all.amount_micros, reason: all.reason };
    if (all.kind === "transfer") body.to_account_id = all.to_account_id;
    await request("POST", "/payments", { body, once });
    onClose(true);
  };
  return html`<${Dialog} title=${t("Payment for {id}", account)} onClose=${() => onClose(false)}>
    <p class="sub">${t("Balance")}: ${money(account.balance_micros, account.currency)}</p>
    <${Form} fields=${fields} values=${{ kind: "top_up" }} save=${save} verb=${t("Pay")} onCancel=${() => onClose(false)} />
  </${Dialog}>`;
}
