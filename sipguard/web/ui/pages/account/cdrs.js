// Call records of one account and everything below it.

import { html } from "/ui/vendor/preact.js";
import { Records } from "../cdrs.js";

export default function AccountCdrs({ account, query }) {
  return html`<${Records} query=${query} account=${account.id} />`;
}
