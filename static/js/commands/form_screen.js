/** The forms that create and edit a command. */
import { go, toCommand, toCommands, toRun } from "../base/router.js";
import { useShortcuts } from "../base/shortcuts.js";
import { useStore } from "../base/store.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { may } from "../model/access.js";
import { GONE } from "../model/changes.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Confirm } from "../parts/dialog.js";
import { Empty, Waiting } from "../parts/empty.js";
import { FormError } from "../parts/form_error.js";
import { Heading } from "../parts/heading.js";
import { MissingScreen } from "../parts/missing.js";
import { showNotice } from "../parts/notice.js";
import { createCommand, getCommand, replaceCommand } from "../server/api.js";
import { usePolling } from "../server/polling.js";
import { session } from "../server/session.js";
import { phrase, t } from "../words/words.js";
import { checkSoon } from "./checking.js";
import { Conflict } from "./conflict.js";
import { discardDraft, readDraft, saveDraft } from "./draft.js";
import { BLANK, CommandFields, readFields, shownFields, sameFields } from "./fields.js";
import { groupChoices } from "./group.js";
import { PastScript } from "./past_script.js";

/** @typedef {import("./fields.js").CommandFields} Fields */

const NEW = "new";
const NOT_FOUND = 404;
const CHANGED_MEANWHILE = 412;
/** Problems of a script, in a notice. */
const TOLD = 3;

export function NewScreen() {
  const { who } = useStore(session);
  const { groups, usual } = groupChoices(who, "editor");
  const save = async (fields, { start }) => {
    const command = await createCommand({ ...fields, start });
    if (command.warnings?.length) showNotice(command.warnings.join(" "), { isError: true });
    return command.run ? toRun(command.run.id) : toCommand(command.id);
  };
  const heading = html`<${Heading} title=${t("commands.new")} trail=${[[t("commands.title"), toCommands()]]} />`;
  if (groups?.length === 0) return html`${heading}<${NotPermitted} />`;
  const stored = { ...BLANK, group: usual };
  return html`
    ${heading}
    <${CommandForm} name=${NEW} stored=${stored} groups=${groups} back=${toCommands()} save=${save} />
  `;
}

/** @param {{id: string}} props */
export function EditScreen({ id }) {
  const { value, problem } = usePolling(
    (options) => getCommand(id, options),
    [id],
    () => null,
    unlessDeleted,
  );
  const isGone = problem?.status === NOT_FOUND;
  const command = value ?? (isGone ? unsaved(id) : undefined);
  if (isGone && !command) return html`<${MissingScreen} what="command" />`;
  if (!command) return html`<${Waiting} problem=${problem} />`;
  return html`<${EditView} command=${command} isGone=${isGone} />`;
}

const unlessDeleted = (command, change) =>
  change.type === "command-deleted" && change.id === command.id ? GONE : command;

/** What was typed for a command that is no more can still be copied. @param {string} id */
function unsaved(id) {
  const draft = readDraft(id);
  return draft ? { ...BLANK, id, name: draft.fields.name } : undefined;
}

const NotPermitted = () => html`<${Empty} title=${t("not-permitted")}>
  <p>${t("form.not-permitted")}</p>
<//>`;

/** @param {{command: object, isGone: boolean}} props isGone: it was deleted elsewhere, or is seen no more */
function EditView({ command, isGone }) {
  const { who } = useStore(session);
  const [stored, setStored] = useState(command);
  const [conflict, setConflict] = useState(null);
  const [isRefused, setRefused] = useState(false);
  const store = async (fields, etag) => {
    await replaceCommand(command.id, fields, etag);
    showNotice(phrase("form.saved", { name: html`<bdi>${fields.name}</bdi>` }));
    return toCommand(command.id);
  };
  const save = async (fields, { etag }) => {
    try {
      return await store(fields, etag);
    } catch (problem) {
      if (problem.status !== CHANGED_MEANWHILE) return refused(problem);
      const theirs = await getCommand(command.id).catch(refused);
      if (theirs) setConflict({ theirs, mine: fields });
      return null;
    }
  };
  const refused = (problem) => {
    if (problem.status !== NOT_FOUND) throw problem;
    setConflict(null);
    setRefused(true);
    return null;
  };
  const [saveMine, busy] = useAction(async () => {
    const path = await store(conflict.mine, conflict.theirs.etag).catch(refused);
    if (path === null) return;
    discardDraft(command.id);
    go(path);
  });
  const takeTheirs = () => {
    discardDraft(command.id);
    setStored(conflict.theirs);
    setConflict(null);
  };
  const trail = [
    [t("commands.title"), toCommands()],
    [command.name, toCommand(command.id)],
  ];
  const shown = phrase("form.edit", { name: html`<bdi>${command.name}</bdi>` });
  const heading = html`<${Heading} title=${t("form.edit", command)} shown=${shown} trail=${trail} />`;
  if (!may(command, "edit")) return html`${heading}<${NotPermitted} />`;
  const isMissing = isGone || isRefused;
  const groups = may(command, "administer") ? groupChoices(who, "admin").groups : undefined;
  return html`
    ${heading}
    <${CommandForm} key=${stored.etag} name=${command.id} stored=${stored} groups=${groups}
      back=${isMissing ? toCommands() : toCommand(command.id)} isMissing=${isMissing} save=${save} />
    ${conflict &&
    html`<${Conflict} ...${conflict} busy=${busy} onMine=${saveMine} onTheirs=${takeTheirs}
    onClose=${() => setConflict(null)} />`}
  `;
}

/**
 * A form with what was typed into it before, if that was not saved.
 * @param {object} props
 * @param {string} props.name of its draft
 * @param {Fields & {etag?: string}} props.stored
 * @param {string[]|null|undefined} props.groups as of CommandFields
 * @param {string} props.back where leaving the form leads
 * @param {boolean} [props.isMissing] whether what it changes is no more
 * @param {(fields: Fields, how: {start: boolean, etag: string|undefined}) => Promise<string|null>} props.save
 * returns where it leads; null: it stays
 */
function CommandForm({ name, ...rest }) {
  const [draft, setDraft] = useState(() => readDraft(name));
  const discard = () => {
    discardDraft(name);
    setDraft(null);
  };
  return html`
    ${draft &&
    html`<p class="draft" role="status">
    ${t("form.restored")}${" "}
    <${Button} small label=${t("form.discard-them")} onClick=${discard} />
    </p>`}
    <${Form} key=${draft ? "draft" : "stored"} name=${name} draft=${draft} ...${rest} />
  `;
}

function Form({ name, draft, stored, groups, back, isMissing = false, save }) {
  const [problem, setProblem] = useState(null);
  const [leaving, setLeaving] = useState(false);
  const form = useRef(null);
  const saved = useRef(false);
  const etag = draft ? draft.etag : stored.etag;
  const changed = () => form.current && !saved.current && !sameFields(readFields(form.current), stored);
  const [submit, busy] = useAction(async (start) => {
    setProblem(null);
    try {
      const fields = readFields(form.current);
      const checking = fields.script === stored.script ? null : checkSoon(fields.script);
      const path = await save(fields, { start, etag });
      if (path === null) return;
      tellProblems(fields.name, await checking);
      saved.current = true;
      discardDraft(name);
      go(path);
    } catch (failure) {
      setProblem(failure);
    }
  });
  const leave = () => {
    discardDraft(name);
    saved.current = true;
    go(back);
  };
  const tryToLeave = () => (changed() ? setLeaving(true) : leave());
  useEffect(() => form.current.querySelector("[aria-invalid]:not([hidden])")?.focus(), [problem]);
  useLayoutEffect(() => form.current.elements.name.focus(), []);
  useLeaveGuard(() => changed() && !busy);
  useShortcuts([{ key: "Escape", description: t("form.leave"), run: tryToLeave }]);
  const onInput = () => (changed() ? saveDraft(name, { fields: readFields(form.current), etag }) : discardDraft(name));
  const onKeyDown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.current.requestSubmit();
  };
  const onSubmit = (event) => {
    event.preventDefault();
    submit(name === NEW);
  };
  return html`
    <form class="form" ref=${form} novalidate onSubmit=${onSubmit} onKeyDown=${onKeyDown} onInput=${onInput}>
      <${CommandFields} fields=${{ ...stored, ...draft?.fields }} groups=${groups} errors=${problem?.errors ?? {}} />
      ${isMissing ? html`<${Deleted} />` : html`<${FormError} problem=${problem} fields=${shownFields(problem)} />`}
      ${name !== NEW && html`<${PastScript} command=${name} form=${form} />`}
      <${FormActions} isNew=${name === NEW} busy=${busy} isMissing=${isMissing}
        onSaveOnly=${() => submit(false)} onLeave=${tryToLeave} />
    </form>
    ${leaving && html`<${LeaveDialog} onLeave=${leave} onClose=${() => setLeaving(false)} />`}
  `;
}

/** It is saved all the same. @param {string} name @param {import("./checking.js").Check|null} check */
function tellProblems(name, check) {
  if (!check?.problems.length) return;
  const lines = check.problems.slice(0, TOLD).map((problem) => t("check.problem", problem));
  const problems = lines.join(" · ");
  showNotice(phrase("check.saved", { name: html`<bdi>${name}</bdi>`, problems }), { isError: true });
}

const Deleted = () => html`<p class="form-error form-error--stays" role="alert">${t("form.deleted")}</p>`;

function FormActions({ isNew, busy, isMissing, onSaveOnly, onLeave }) {
  const [main, saves] = isNew ? ["form.save-and-start", "form.key.starts"] : ["form.save", "form.key.saves"];
  return html`<div class="form__actions">
    <${Button} type="submit" kind="main" label=${t(busy ? "form.saving" : main)} disabled=${busy || isMissing} />
    ${isNew && html`<${Button} label=${t("form.save-only")} disabled=${busy} onClick=${onSaveOnly} />`}
    <${Button} kind="quiet" label=${t("action.cancel")} onClick=${onLeave} />
    <span class="form__hint wide-only"><kbd>Ctrl</kbd> <kbd>Enter</kbd> ${t(saves)}</span>
  </div>`;
}

const LeaveDialog = ({ onLeave, onClose }) => html`<${Confirm} title=${t("form.leave.title")}
  action=${t("form.discard")} cancel=${t("form.keep-editing")} onConfirm=${onLeave} onClose=${onClose}>
  <p>${t("form.leave.about")}</p>
<//>`;

/** The browser asks before the page is closed with something unsaved in it. */
function useLeaveGuard(unsaved) {
  const check = useRef(unsaved);
  check.current = unsaved;
  useEffect(() => {
    const ask = (event) => check.current() && event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, []);
}
