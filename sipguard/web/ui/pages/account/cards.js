// Phone cards of one account.

import { html } from "/ui/vendor/preact.js";
import { CardBatches } from "../../lib/cards.js";

export default function AccountCards({ account }) {
  return html`<${CardBatches} accountId=${account.id} />`;
}
