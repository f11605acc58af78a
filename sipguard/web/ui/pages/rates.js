// Rate tables.

import { html } from "/ui/vendor/preact.js";
import { at } from "../lib/api.js";
import { Crud } from "../lib/crud.js";
import { isAdministrator, may } from "../lib/session.js";
import { count, t } from "../lib/text.js";
import { Head } from "../lib/ui.js";

const COLUMNS = [
  { id: "id", label: t("Rate table"), value: (row) => row.id, show: (row) => html`<a href=${`/rates${at(row.id)}`}>${row.id}</a>` },
  { id: "owner", label: t("Sold by"), value: (row) => row.owner_id || t("the operator") },
  { id: "currency", label: t("Currency"), value: (row) => row.currency },
  { id: "rows", label: t("Rows"), kind: "number", value: (row) => row.rows, show: (row) => count(row.rows) },
  { id: "rounding", label: t("Rounding of money"), value: (row) => t(row.money_rounding.replace("_", " ")), hidden: true },
];

export default function Rates() {
  const fresh = may("account") && [
    { name: "id", label: t("Rate table"), required: true },
    ...(isAdministrator() ? [{ name: "owner_id", label: t("Sold by"), nullable: true, hint: t("The agent that sells by it; empty: the operator.") }, { name: "currency", label: t("Currency"), nullable: true }] : []),
  ];
  return html`<${Head} title=${t("Rate tables")} />
    <${Crud} name="rate-tables" label=${t("Rate tables")} noun=${t("rate table")} path="/rate-tables" columns=${COLUMNS} fresh=${fresh} removable=${may("account")}
      more=${(item) => html`<a class="button primary" href=${`/rates${at(item.id)}`}>${t("Its rows")}</a>`} empty=${t("No rate tables yet.")} />`;
}
