// Batches of phone cards, of one account or of all in scope. PINs are told once, when a batch is made.

import { html } from "/ui/vendor/preact.js";
import { at } from "./api.js";
import { Crud } from "./crud.js";
import { may } from "./session.js";
import { count, moment, money, t } from "./text.js";
import { Badge, download } from "./ui.js";

const state = (row) => t(row.blocked ? "blocked" : "usable");

const COLUMNS = [
  { id: "id", label: t("Batch"), value: (row) => row.id, show: (row) => html`<a href=${`/cards${at(row.id)}`}>${row.id}</a>` },
  { id: "account", label: t("Account"), value: (row) => row.account_id, show: (row) => html`<a href=${`/accounts${at(row.account_id)}`}>${row.account_id}</a>` },
  { id: "cards", label: t("Cards"), kind: "number", value: (row) => row.cards, show: (row) => count(row.cards) },
  { id: "blocked", label: t("of them blocked"), kind: "number", value: (row) => (row.blocked ? row.cards : row.cards_blocked) },
  { id: "value", label: t("Face value"), kind: "number", value: (row) => row.face_value_micros, show: (row) => money(row.face_value_micros, row.currency) },
  { id: "till", label: t("Valid till"), value: (row) => row.valid_till, show: (row) => (row.valid_till ? moment(1000 * row.valid_till) : t("for ever")) },
  { id: "days", label: t("Days from the first use"), kind: "number", value: (row) => row.valid_days, hidden: true },
  { id: "state", label: t("State"), value: state, show: (row) => html`<${Badge} kind=${row.blocked ? "bad" : "good"}>${state(row)}</${Badge}>` },
  { id: "created", label: t("Made"), value: (row) => row.created_ms, show: (row) => moment(row.created_ms) },
  { id: "memo", label: t("Memo"), value: (row) => row.memo, hidden: true },
];

const NEW = [
  { name: "id", label: t("Batch id"), required: true },
  { name: "cards", label: t("How many cards"), kind: "number", required: true, hint: t("At most 10,000: their PINs are told in one answer.") },
  { name: "face_value_micros", label: t("Face value"), kind: "money", required: true },
  { name: "valid_till", label: t("Valid till"), kind: "moment", hint: t("Empty: for ever.") },
  { name: "valid_days", label: t("Days from the first use"), kind: "number" },
  { name: "memo", label: t("Memo") },
];

export function CardBatches({ accountId }) {
  const fresh = may("card") && [...(accountId ? [] : [{ name: "account_id", label: t("Account"), required: true }]), ...NEW];
  return html`<${Crud} name="card-batches" label=${t("Phone cards")} noun=${t("card batch")} path="/card-batches" params=${{ account_id: accountId }} columns=${COLUMNS}
    start=${accountId ? { account_id: accountId } : {}} fresh=${fresh} made=${(data) => html`<${Printed} ...${data} />`}
    more=${(item) => html`<a class="button primary" href=${`/cards${at(item.id)}`}>${t("Its cards")}</a>`} empty=${t("No cards yet.")} />`;
}

/** The cards of a new batch with their PINs: the one moment in which they can be kept. */
function Printed({ batch, cards }) {
  const lines = ["serial,pin", ...cards.map((card) => `${card.serial},${card.pin}`)];
  return html`<p role="status">${t("{cards} cards were made. Their PINs are shown this once, and are nowhere kept: save them now.", { cards: count(cards.length) })}</p>
    <p><button type="button" onClick=${() => download(`${batch.id}.csv`, `${lines.join("\r\n")}\r\n`)}>${t("Save as CSV, for the printer")}</button></p>
    <pre tabindex="0" aria-label=${t("Serial numbers and PINs")}>${cards.slice(0, 20).map((card) => `${card.serial}  ${card.pin}\n`)}${cards.length > 20 ? "…" : ""}</pre>`;
}
