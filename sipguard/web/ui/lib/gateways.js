// Mapping gateways (calls come in) and routing gateways (calls go out).

import { html } from "/ui/vendor/preact.js";
import { at } from "./api.js";
import { Crud } from "./crud.js";
import { isAdministrator, may } from "./session.js";
import { NumberTest } from "./number_test.js";
import { CALLER_REWRITE, REWRITE, STATE_COLUMN } from "./shared.js";
import { limit, t } from "./text.js";
import { Facts } from "./ui.js";

const capacity = { id: "capacity", label: t("Capacity"), kind: "number", value: (row) => row.capacity, show: (row) => limit(row.capacity) };
const pace = { id: "cps", label: t("Calls per second"), kind: "number", value: (row) => row.cps_limit, show: (row) => limit(row.cps_limit), hidden: true };

/** Fields of how much a gateway takes (authorization 6) and of what it is (5); what the login may not change is not shown. */
const allowed = (information, much, operators = []) => [
  ...(may("gateway_information") ? information : []), ...(may("gateway_capacity") ? much : []), ...(isAdministrator() ? operators : []),
];
const MUCH = [
  { name: "capacity", label: t("Capacity, concurrent calls"), kind: "number", hint: t("Empty: no limit. 0: none.") },
  { name: "cps_limit", label: t("Calls per second"), kind: "number" },
];
const LOCKED = { name: "locked", label: t("Locked"), kind: "switch" };

const MAPPING_COLUMNS = [
  { id: "id", label: t("Mapping gateway"), value: (row) => row.id },
  { id: "account", label: t("Account"), value: (row) => row.account_id, show: (row) => html`<a href=${`/accounts${at(row.account_id)}`}>${row.account_id}</a>` },
  { id: "sources", label: t("From networks"), value: (row) => row.sources.join(" ") },
  { id: "tech_prefixes", label: t("Tech prefixes"), value: (row) => row.tech_prefixes.join(" ") },
  { id: "username", label: t("User"), value: (row) => row.username, hidden: true },
  capacity, pace, STATE_COLUMN,
];
const MAPPING_INFORMATION = [
  { name: "sources", label: t("From networks"), kind: "lines", hint: t("One a line, as 192.0.2.0/24.") },
  { name: "country_code", label: t("Country code"), nullable: true, hint: t("How it writes numbers.") },
  { name: "national_prefix", label: t("National prefix"), nullable: true },
  { name: "international_prefixes", label: t("International prefixes"), kind: "lines" },
  { name: "tech_prefixes", label: t("Tech prefixes"), kind: "lines", hint: t("One a line, as 77#. Needed in front of what it dials, and taken off: several gateways may share a network by them.") },
  REWRITE, CALLER_REWRITE,
  LOCKED,
];

export function MappingGateways({ accountId }) {
  const fresh = may("gateway") && [
    { name: "id", label: t("Gateway id"), required: true },
    ...(accountId ? [] : [{ name: "account_id", label: t("Account"), required: true }]),
    ...MAPPING_INFORMATION, ...MUCH,
    { name: "username", label: t("User"), nullable: true, hint: t("With one its calls need a password, too.") },
  ];
  const made = (data) => html`<p>${t("{id} was made.", data)}</p>${data.password && html`<p>${t("Its password, shown this once:")}</p><${Facts} rows=${[[t("User"), data.username], [t("Password"), html`<code>${data.password}</code>`]]} />`}`;
  const fields = allowed(MAPPING_INFORMATION, MUCH);
  return html`<${Crud} name="mapping-gateways" label=${t("Mapping gateways")} noun=${t("mapping gateway")} path="/mapping-gateways" params=${{ account_id: accountId }}
    columns=${MAPPING_COLUMNS} start=${accountId ? { account_id: accountId } : {}} fresh=${fresh} made=${made} fields=${fields.length > 0 ? () => fields : null} removable=${may("gateway")}
    more=${(item) => html`<${NumberTest} path=${`/mapping-gateways${at(item.id)}`} onward=${true} />`} empty=${t("No mapping gateways yet.")} />`;
}

const ROUTING_COLUMNS = [
  { id: "id", label: t("Routing gateway"), value: (row) => row.id },
  { id: "owner", label: t("Of"), value: (row) => row.owner_id || t("the operator") },
  { id: "host", label: t("Host"), value: (row) => `${row.host}${row.port ? `:${row.port}` : ""}` },
  { id: "transport", label: t("Transport"), value: (row) => row.transport || t("as the DNS says") },
  { id: "routes", label: t("Prefixes"), value: (row) => row.routes.map((one) => one.prefix || t("every number")).join(" ") },
  { id: "cost", label: t("Cost table"), value: (row) => row.cost_table_id, hidden: true },
  capacity, pace, STATE_COLUMN,
];
const ROUTING_INFORMATION = [
  { name: "host", label: t("Host"), required: true, hint: t("An address or a name.") },
  { name: "port", label: t("Port"), kind: "number" },
  { name: "transport", label: t("Transport"), kind: "choice", choices: [["", t("as the DNS says")], ["udp", "UDP"], ["tcp", "TCP"], ["tls", "TLS"]] },
  { name: "routes", label: t("Prefixes"), kind: "lines", hint: t("One a line: prefix, priority, weight, terminate or continue; as 880 1 1 terminate. * stands for every number.") },
  { name: "strip_digits", label: t("Digits stripped"), kind: "number" },
  { name: "add_prefix", label: t("Prefix added") },
  REWRITE, CALLER_REWRITE,
  { name: "probe_seconds", label: t("Asked by OPTIONS every, seconds"), kind: "number", hint: t("Empty: never.") },
  LOCKED,
];
const OPERATORS = [
  { name: "cost_table_id", label: t("Cost table"), nullable: true },
  { name: "hides_topology", label: t("Hides the topology"), kind: "switch" },
];

export function RoutingGateways() {
  const fresh = may("gateway") && [{ name: "id", label: t("Gateway id"), required: true }, ...ROUTING_INFORMATION, ...MUCH, ...(isAdministrator() ? OPERATORS : [])];
  const fields = allowed(ROUTING_INFORMATION, MUCH, OPERATORS);
  return html`<${Crud} name="routing-gateways" label=${t("Routing gateways")} noun=${t("routing gateway")} path="/routing-gateways" columns=${ROUTING_COLUMNS}
    fresh=${fresh} fields=${fields.length > 0 ? () => fields : null} shaped=${shaped} seen=${seen} removable=${may("gateway")}
    more=${(item) => html`<${NumberTest} path=${`/routing-gateways${at(item.id)}`} />`} empty=${t("No routing gateways yet.")} />`;
}

const seen = (item) => ({ ...item, routes: item.routes.map((one) => `${one.prefix || "*"} ${one.priority} ${one.weight} ${one.mode}`) });

function shaped(changed) {
  if (!changed.routes) return changed;
  const routes = changed.routes.map((line) => {
    const [prefix, priority = "1", weight = "1", mode = "terminate"] = line.split(/[\s,]+/);
    return { prefix: prefix === "*" ? "" : prefix.replace("+", ""), priority: Number(priority), weight: Number(weight), mode };
  });
  return { ...changed, routes };
}
