// Mapping gateways of one account.

import { html } from "/ui/vendor/preact.js";
import { MappingGateways } from "../../lib/gateways.js";

export default function AccountGateways({ account }) {
  return html`<${MappingGateways} accountId=${account.id} />`;
}
