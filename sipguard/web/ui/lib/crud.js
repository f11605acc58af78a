// Things that are listed, made, modified and removed in one way: phones, logins, gateways, ...

import { html, useMemo, useState } from "/ui/vendor/preact.js";
import { at, request } from "./api.js";
import { Form } from "./form.js";
import { useList } from "./list.js";
import { t } from "./text.js";
import { Table } from "./table.js";
import { Confirm, Dialog, Failure, useLoad } from "./ui.js";

/**
 * `noun`: how one is called, in the text of buttons. `path`: of the API; `params`: of its list. `columns`: of the table. `fresh`: the
 * fields of a new one, `fields(item)`: what can be modified; either may be null, for who may not. `shaped(changed)`: what is sent of
 * the form, `seen(item)`: what the form shows of one. `made(data)`: what is told after one was made, where something is. `more(item, done)`: further buttons of an open one.
 */
export function Crud({ name, label, noun, path, params, columns, id = (row) => row.id, fresh, start = {}, fields, removable, shaped = (changed) => changed, seen = (item) => item, made, more, tools, empty }) {
  const { rows, busy, error, reload, cut } = useList(path, params);
  const [open, setOpen] = useState(null); // {kind: "new"}, {kind: "one", key}, {kind: "told", data}
  const done = (changed) => {
    setOpen(null);
    if (changed) reload();
  };
  const create = async (changed) => {
    const { data } = await request("POST", path, { body: { ...start, ...shaped(changed) } });
    reload();
    setOpen(made ? { kind: "told", data } : null);
  };
  return html`
    <${Failure} error=${error} />
    ${cut && html`<p class="sub">${t("There are more than are shown: narrow the list down.")}</p>`}
    <${Table} name=${name} label=${label} columns=${columns} rows=${rows} busy=${busy} rowKey=${id} empty=${empty} open=${(row) => setOpen({ kind: "one", key: id(row) })}
      tools=${html`${tools}${fresh && html`<button type="button" class="primary" onClick=${() => setOpen({ kind: "new" })}>${t("New {noun}", { noun })}</button>`}`} />
    ${open && open.kind === "new" && html`<${Dialog} title=${t("New {noun}", { noun })} onClose=${() => done(false)}>
      <${Form} fields=${fresh} values=${start} save=${create} verb=${t("Create")} onCancel=${() => done(false)} />
    </${Dialog}>`}
    ${open && open.kind === "told" && html`<${Dialog} title=${t("New {noun}", { noun })} onClose=${() => done(false)}>
      ${made(open.data)}<div class="buttons"><button type="button" class="primary" onClick=${() => done(false)}>${t("Done")}</button></div>
    </${Dialog}>`}
    ${open && open.kind === "one" && html`<${One} key=${open.key} path=${`${path}${at(open.key)}`} title=${`${noun} ${open.key}`} fields=${fields} shaped=${shaped} seen=${seen}
      removable=${removable} more=${more} onClose=${done} />`}`;
}

function One({ path, title, fields, shaped, seen, removable, more, onClose }) {
  const { data, error } = useLoad((signal) => request("GET", path, { signal }), path);
  const values = useMemo(() => data && seen(data.data), [data]);
  const [removing, setRemoving] = useState(false);
  if (removing) {
    return html`<${Confirm} title=${t("Remove {title}", { title })} dangerous=${true} verb=${t("Remove")} what=${t("{title} is removed for good.", { title })}
      run=${() => request("DELETE", path, { etag: data.etag })} onClose=${onClose} />`;
  }
  const save = async (changed) => {
    await request("PATCH", path, { body: shaped(changed), etag: data.etag });
    onClose(true);
  };
  const shown = data && fields && fields(data.data);
  return html`<${Dialog} title=${title} onClose=${() => onClose(false)}>
    <${Failure} error=${error} />
    ${shown && html`<${Form} fields=${shown} values=${values} save=${save} onCancel=${() => onClose(false)} />`}
    ${data && html`<div class="buttons">
      ${more && more(data.data, onClose)}
      ${removable && html`<button type="button" onClick=${() => setRemoving(true)}>${t("Remove")} …</button>`}
      ${!shown && html`<button type="button" onClick=${() => onClose(false)}>${t("Close")}</button>`}
    </div>`}
  </${Dialog}>`;
}
