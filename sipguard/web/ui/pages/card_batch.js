// The cards of one batch, without their PINs; blocked one by one, or all of them.

import { html, useState } from "/ui/vendor/preact.js";
import { at, get, request } from "../lib/api.js";
import { useList } from "../lib/list.js";
import { may } from "../lib/session.js";
import { count, moment, money, t } from "../lib/text.js";
import { Table } from "../lib/table.js";
import { Badge, Confirm, Failure, Head, useLoad } from "../lib/ui.js";

export default function CardBatch({ id }) {
  const path = `/card-batches${at(id)}`;
  const head = useLoad((signal) => get(path, null, signal), path);
  const { rows, busy, error, reload } = useList(`${path}/cards`);
  const [asked, setAsked] = useState(null); // {blocked, serials: null for all}
  const batch = head.data;
  const allowed = may("card") && batch;
  const closed = (changed) => {
    setAsked(null);
    if (changed) {
      reload();
      head.reload();
    }
  };
  const word = (row) => t(row.blocked || (batch && batch.blocked) ? "blocked" : row.first_used_ms ? "in use" : "usable");
  const columns = [
    { id: "serial", label: t("Serial number"), value: (row) => row.serial },
    { id: "state", label: t("State"), value: word, show: (row) => html`<${Badge} kind=${row.blocked || (batch && batch.blocked) ? "bad" : "good"}>${word(row)}</${Badge}>` },
    { id: "used", label: t("First used"), value: (row) => row.first_used_ms, show: (row) => moment(row.first_used_ms) },
    ...(allowed ? [{ id: "act", label: "", value: () => "", show: (row) => html`<button type="button" class="small" onClick=${() => setAsked({ blocked: !row.blocked, serials: [row.serial] })}>${verb(!row.blocked)}</button>` }] : []),
  ];
  return html`
    <${Head} title=${id} sub=${batch && t("{cards} cards of {value}, of {account}", { cards: count(batch.cards), value: money(batch.face_value_micros, batch.currency), account: batch.account_id })}>
      ${batch && batch.blocked && html`<${Badge} kind="bad">${t("blocked")}</${Badge}>`}
      ${allowed && html`<button type="button" onClick=${() => setAsked({ blocked: !batch.blocked, serials: null })}>${verb(!batch.blocked)} …</button>`}
    </${Head}>
    <${Failure} error=${head.error || error} />
    <${Table} name="cards" label=${t("Cards")} columns=${columns} rows=${rows} busy=${busy} rowKey=${(row) => row.serial} total=${batch ? batch.cards : undefined} />
    ${asked && html`<${Confirm} title=${verb(asked.blocked)} dangerous=${asked.blocked} verb=${verb(asked.blocked)} what=${told(id, asked)}
      run=${() => request("POST", `${path}/block`, { body: asked })} onClose=${closed} />`}`;
}

const verb = (blocked) => t(blocked ? "Block" : "Unblock");

function told(id, { blocked, serials }) {
  const what = serials ? t("Card {serial}", { serial: serials[0] }) : t("Every card of {id}", { id });
  return blocked ? t("{what} can be used no more, until it is unblocked.", { what }) : t("{what} can be used again, unless it is blocked otherwise.", { what });
}
