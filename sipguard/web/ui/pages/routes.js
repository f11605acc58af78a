// Routes: which gateways take which prefixes; and which would take a number, in their order.

import { html } from "/ui/vendor/preact.js";
import { useList } from "../lib/list.js";
import { go } from "../lib/router.js";
import { routesFor, routesOf } from "../lib/routes.js";
import { limit, number, share, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Failure, Head } from "../lib/ui.js";

const MODES = { terminate: t("stop here"), continue: t("go on with shorter prefixes") };
const state = (row) => t(row.gateway.locked ? "locked" : "active");

const ALL = [
  { id: "prefix", label: t("Prefix"), value: (row) => row.prefix || t("every number") },
  { id: "country", label: t("Country"), value: (row) => number(row.prefix.padEnd(9, "0")).split(" ").slice(1).join(" "), hidden: true },
  { id: "gateway", label: t("Routing gateway"), value: (row) => row.gateway.id },
  { id: "owner", label: t("Of"), value: (row) => row.gateway.owner_id || t("the operator") },
  { id: "priority", label: t("Priority"), kind: "number", value: (row) => row.priority },
  { id: "weight", label: t("Weight"), kind: "number", value: (row) => row.weight },
  { id: "mode", label: t("If it cannot"), value: (row) => MODES[row.mode] },
  { id: "capacity", label: t("Capacity"), kind: "number", value: (row) => row.gateway.capacity, show: (row) => limit(row.gateway.capacity) },
  { id: "cost", label: t("Cost table"), value: (row) => row.gateway.cost_table_id },
  { id: "state", label: t("State"), value: state, show: (row) => html`<${Badge} kind=${row.gateway.locked ? "bad" : "good"}>${state(row)}</${Badge}>` },
];
const ORDERED = [
  { id: "order", label: t("Order"), kind: "number", value: (row) => row.order },
  ...ALL.slice(0, -1),
  { id: "share", label: t("Of the calls"), kind: "number", value: (row) => row.share, show: (row) => (row.skipped ? html`<${Badge} kind="bad">${t(row.skipped)}</${Badge}>` : share(row.share)) },
];

export default function Routes({ query }) {
  const { rows: gateways, busy, error } = useList("/routing-gateways");
  const asked = (query.number || "").replace(/\D/g, "");
  const submit = (event) => {
    event.preventDefault();
    const given = new FormData(event.target).get("number").replace(/\D/g, "");
    go(given ? `/routes?number=${given}` : "/routes");
  };
  const rows = asked ? routesFor(gateways, asked) : routesOf(gateways);
  return html`<${Head} title=${t("Routes")} sub=${asked && t("for {number}, the first to be tried first", { number: number(asked) })} />
    <form class="filters" role="search" key=${asked} onSubmit=${submit}>
      <label>${t("A number, with its country code")} <input name="number" inputmode="tel" defaultValue=${asked} maxlength="20" /></label>
      <button type="submit" class="primary">${t("Who would take it?")}</button>
    </form>
    <${Failure} error=${error} />
    ${asked && html`<p class="sub">${t("By prefix, priority and weight. A gateway that is full, down, too dear or not allowed to the caller's trunk is passed over: the record of a call tells.")}</p>`}
    <${Table} key=${asked ? "ordered" : "all"} name=${asked ? "routes-ordered" : "routes"} label=${t("Routes")} columns=${asked ? ORDERED : ALL} rows=${rows} busy=${busy}
      rowKey=${(row) => `${row.gateway.id} ${row.prefix} ${row.priority}`} empty=${asked ? t("No route fits: such a call is refused.") : t("No routes yet.")} />`;
}
