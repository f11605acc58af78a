// What of an account can be modified.

import { html } from "/ui/vendor/preact.js";
import { request } from "../../lib/api.js";
import { Form } from "../../lib/form.js";
import { may, session } from "../../lib/session.js";
import { t } from "../../lib/text.js";

export default function Settings({ account, etag, path, reload }) {
  const disabled = !may("account") || account.id === session().account_id;
  const fields = [
    { name: "name", label: t("Name"), required: true },
    { name: "memo", label: t("Memo") },
    { name: "rate_table_id", label: t("Rate table"), nullable: true, hint: t("The table that the account buys by.") },
    { name: "credit_limit_micros", label: t("Credit limit"), kind: "money", required: true, hint: t("How far below zero the balance may go.") },
    { name: "call_limit", label: t("Concurrent calls"), kind: "number", hint: t("Of the account and all below it. Empty: no limit. 0: none.") },
    { name: "cps_limit", label: t("Calls per second"), kind: "number" },
    { name: "max_call_seconds", label: t("Longest call, seconds"), kind: "number" },
    { name: "max_rate_micros", label: t("Highest price per minute"), kind: "money" },
    { name: "valid_from", label: t("Valid from"), kind: "moment" },
    { name: "valid_till", label: t("Valid till"), kind: "moment" },
    { name: "time_zone", label: t("Time zone"), required: true, hint: t("In which the hours and days of its rates are read.") },
    { name: "locked", label: t("Locked"), kind: "switch", hint: t("A locked agent stops its whole subtree at once.") },
  ].map((field) => ({ ...field, disabled }));
  const save = async (changed) => {
    await request("PATCH", path, { body: changed, etag });
    reload();
  };
  return html`<${Form} key=${etag} fields=${fields} values=${account} save=${save} />`;
}
