// Phones of one account.

import { html } from "/ui/vendor/preact.js";
import { Phones } from "../../lib/phones.js";

export default function AccountPhones({ account }) {
  return html`<${Phones} accountId=${account.id} />`;
}
