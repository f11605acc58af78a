// Gateways: where calls come from, where they go.

import { html } from "/ui/vendor/preact.js";
import { MappingGateways, RoutingGateways } from "../lib/gateways.js";
import { t } from "../lib/text.js";
import { Head, Tabs } from "../lib/ui.js";

export default function Gateways({ query }) {
  const part = query.part === "routing" ? "routing" : "mapping";
  return html`<${Head} title=${t("Gateways")} />
    <${Tabs} current=${part} tabs=${[
      { id: "mapping", label: t("Mapping gateways"), href: "/gateways" },
      { id: "routing", label: t("Routing gateways"), href: "/gateways?part=routing" },
    ]} />
    ${part === "routing" ? html`<${RoutingGateways} />` : html`<${MappingGateways} />`}`;
}
