// What was done to one account and everything below it.

import { html } from "/ui/vendor/preact.js";
import { Audit } from "../../lib/audit.js";

export default function AccountAudit({ account }) {
  return html`<${Audit} accountId=${account.id} />`;
}
