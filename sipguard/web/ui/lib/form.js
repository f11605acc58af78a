// Forms: fields with their problems beside them, a guard over what is not saved.

import { html, useMemo, useState } from "/ui/vendor/preact.js";
import { useGuard } from "./router.js";
import { micros, money, t } from "./text.js";
import { Failure } from "./ui.js";

/**
 * `fields`: [{name, label, kind, hint, choices, required, disabled, reading(text) -> problem}]; kinds: "text",
 * "number", "money", "switch", "choice", "moment", "password", "lines". `values`: by name, as the API has them. `save(changed, all)`
 * gets what was changed; may fail with the problems of fields. `verb`: what the button says.
 */
export function Form({ fields, values, save, verb = t("Save"), onCancel, children }) {
  const start = useMemo(() => Object.fromEntries(fields.map((field) => [field.name, written(field, values[field.name])])), [values]);
  const [texts, setTexts] = useState(start);
  const [state, setState] = useState({ busy: false, problems: {}, error: null });
  const changed = fields.filter((field) => texts[field.name] !== start[field.name]);
  useGuard((closing) => state.busy || changed.length === 0 || (!closing && confirm(t("Leave without saving what was changed?"))));

  const submit = async (event) => {
    event.preventDefault();
    const problems = {};
    const all = {};
    for (const field of fields) {
      const found = read(field, texts[field.name]);
      if (found.problem) problems[field.name] = found.problem;
      else all[field.name] = found.value;
    }
    if (Object.keys(problems).length > 0) {
      setState({ busy: false, problems, error: null });
      return;
    }
    setState({ busy: true, problems: {}, error: null });
    try {
      await save(Object.fromEntries(changed.map((field) => [field.name, all[field.name]])), all);
      setState({ busy: false, problems: {}, error: null });
    } catch (error) {
      const known = new Set(fields.map((field) => field.name));
      const told = (error.problems || []).filter((problem) => known.has(problem.field));
      const rest = told.length > 0 && told.length === error.problems.length ? null : error;
      setState({ busy: false, problems: Object.fromEntries(told.map(({ field, message }) => [field, message])), error: rest });
    }
  };

  return html`<form onSubmit=${submit} novalidate>
    ${fields.map((field) => html`<${Field} key=${field.name} field=${field} text=${texts[field.name]} problem=${state.problems[field.name]}
      change=${(text) => setTexts((before) => ({ ...before, [field.name]: text }))} />`)}
    ${children}
    <${Failure} error=${state.error} />
    <div class="buttons">
      ${onCancel && html`<button type="button" onClick=${onCancel}>${t("Cancel")}</button>`}
      <button type="submit" class="primary" disabled=${state.busy}>${verb}</button>
    </div>
  </form>`;
}

function Field({ field, text, problem, change }) {
  const id = `field-${field.name}`;
  const about = [problem && `${id}-problem`, field.hint && `${id}-hint`].filter(Boolean).join(" ") || null;
  const shared = {
    id, name: field.name, disabled: field.disabled, "aria-invalid": problem ? "true" : null, "aria-describedby": about,
    autocomplete: field.autocomplete || "off", required: field.required,
  };
  return html`<div class=${`field ${field.kind || "text"} ${problem ? "wrong" : ""}`}>
    <label for=${id}>${field.label}</label>
    ${control(field, shared, text, change)}
    ${field.hint && html`<p class="hint" id=${`${id}-hint`}>${field.hint}</p>`}
    ${problem && html`<p class="problem" id=${`${id}-problem`}>${problem}</p>`}
  </div>`;
}

function control(field, shared, text, change) {
  const input = (event) => change(event.target.value);
  switch (field.kind) {
    case "switch":
      return html`<input ...${shared} type="checkbox" checked=${text === "yes"} onChange=${(event) => change(event.target.checked ? "yes" : "no")} />`;
    case "choice":
      return html`<select ...${shared} value=${text} onChange=${input}>
        ${field.choices.map(([value, label]) => html`<option value=${value ?? ""} selected=${text === (value ?? "")}>${label}</option>`)}
      </select>`;
    case "lines":
      return html`<textarea ...${shared} rows="4" value=${text} onInput=${input}></textarea>`;
    case "moment":
      return html`<input ...${shared} type="datetime-local" value=${text} onInput=${input} />`;
    case "password":
      return html`<input ...${shared} type="password" value=${text} onInput=${input} />`;
    default:
      return html`<input ...${shared} type="text" value=${text} onInput=${input}
        inputmode=${field.kind === "number" ? "numeric" : field.kind === "money" ? "decimal" : null} />`;
  }
}

function written(field, value) {
  if (field.kind === "switch") return value ? "yes" : "no";
  if (value === null || value === undefined) return "";
  if (field.kind === "money") return money(value).replaceAll(",", "").replace("−", "-");
  if (field.kind === "moment") return new Date(value * 1000 - new Date(value * 1000).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  if (field.kind === "lines") return value.join("\n");
  return String(value);
}

function read(field, text) {
  const nothing = text.trim() === "" && field.kind !== "switch";
  if (nothing && field.required) return { problem: t("This is needed.") };
  switch (field.kind) {
    case "switch":
      return { value: text === "yes" };
    case "number":
      if (nothing) return { value: null };
      return /^\d{1,12}$/.test(text.trim()) ? { value: Number(text) } : { problem: t("Not a whole number.") };
    case "money": {
      if (nothing) return { value: null };
      const amount = micros(text);
      return Number.isNaN(amount) ? { problem: t("Not an amount: digits, and at most six behind the point.") } : { value: amount };
    }
    case "moment":
      return { value: nothing ? null : Math.floor(new Date(text).getTime() / 1000) };
    case "choice":
      return { value: text === "" ? null : text };
    case "lines":
      return { value: text.split("\n").map((line) => line.trim()).filter(Boolean) };
    default:
      return { value: nothing && field.nullable ? null : text };
  }
}
