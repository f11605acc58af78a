// The test box: what becomes of a number at a gateway, without a call.

import { html, useState } from "/ui/vendor/preact.js";
import { request } from "./api.js";
import { Form } from "./form.js";
import { t } from "./text.js";
import { Dialog, Facts } from "./ui.js";

const STEPS = {
  received: t("Received"), tech_prefix: t("Tech prefix taken off"), rewritten: t("Rewritten"), judged: t("Judged as"), rewritten_for_gateway: t("Rewritten for the gateway"), sent: t("Sent as"),
};
const NUMBERS = [
  { name: "number", label: t("Called number"), required: true },
  { name: "caller", label: t("Calling number"), nullable: true },
];
const ONWARD = { name: "routing_gateway_id", label: t("To routing gateway"), nullable: true, hint: t("Empty: only what it is judged as.") };

/** A button, and the box behind it. `path`: of the gateway; `onward`: a routing gateway can be named, to which the call would go. */
export function NumberTest({ path, onward = false }) {
  const [open, setOpen] = useState(false);
  const [told, setTold] = useState(null);
  const close = () => {
    setOpen(false);
    setTold(null);
  };
  const run = async (changed, all) => {
    setTold(null);
    setTold((await request("POST", `${path}/test-number`, { body: all })).data);
  };
  return html`<button type="button" onClick=${() => setOpen(true)}>${t("Try a number")} …</button>
    ${open && html`<${Dialog} title=${t("Try a number")} onClose=${close}>
      <${Form} fields=${onward ? [...NUMBERS, ONWARD] : NUMBERS} values=${{}} save=${run} verb=${t("Try")} onCancel=${close} />
      ${told && html`<div role="status" class="tried">
        <p>${told.refusal ? refused(told) : t("Such a call passes, as far as its numbers go.")}</p>
        <${Facts} rows=${[...told.called.map((one) => row(t("Called"), one)), ...told.caller.map((one) => row(t("Calling"), one))]} />
      </div>`}
    </${Dialog}>`}`;
}

const row = (which, { step, number, rule }) => [`${which}: ${STEPS[step]}`, html`<code>${number || t("no number")}</code>${rule && html` ${t("by")} <code>${rule}</code>`}`];

const refused = (told) => t("Such a call is refused: {why}.", {
  why: [t(told.refusal.replaceAll("_", " ")), told.refusal_level, told.refusal_rule].filter(Boolean).join(", "),
});
