/** The pause of a command: why its schedules start nothing, and until when. */
import { html, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { may } from "../model/access.js";
import { useAction } from "../parts/action.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { Field } from "../parts/field.js";
import { FormError } from "../parts/form_error.js";
import { showNotice } from "../parts/notice.js";
import { Moment } from "../parts/time.js";
import { pauseCommand, resumeCommand } from "../server/schedules_api.js";
import { phrase, t } from "../words/words.js";

/** @typedef {import("../model/types.js").Command} Command */

/** Says that a command is paused, and lets it go on. @param {{command: Command}} props */
export function PauseBanner({ command }) {
  const [resume, resuming] = useAction(async () => {
    await resumeCommand(command.id);
    showNotice(t("pause.ended"));
  });
  const { paused } = command;
  if (!paused) return null;
  return html`<div class="paused" role="note">
    <p>
      <strong>${t("pause.is")}</strong>${" "}${paused.note && html`<bdi>${paused.note}</bdi> · `}
      <span class="paused__about">
        ${paused.until ? phrase("pause.until", { time: html`<${Moment} at=${paused.until} />` }) : t("pause.open")}
        ${paused.by && html` · ${phrase("access.by", { name: html`<bdi>${paused.by}</bdi>` })}`}
      </span>
    </p>
    ${may(command, "operate") && html`<${Button} small label=${t("pause.resume")} disabled=${resuming} onClick=${resume} />`}
  </div>`;
}

/** @param {{command: Command}} props */
export function PauseButton({ command }) {
  const [asking, setAsking] = useState(false);
  if (!may(command, "operate")) return null;
  return html`
    <${Button} small icon="pause" label=${t("pause.pause")} onClick=${() => setAsking(true)} />
    ${asking && html`<${PauseDialog} command=${command} onClose=${() => setAsking(false)} />`}
  `;
}

function PauseDialog({ command, onClose }) {
  const [problem, setProblem] = useState(null);
  const form = useRef(null);
  useLayoutEffect(() => form.current.elements.note.focus(), []);
  const [pause, busy] = useAction(async () => {
    try {
      const { note, until } = form.current.elements;
      const end = until.value ? new Date(until.value).toISOString() : null;
      await pauseCommand(command.id, { note: note.value.trim() || null, until: end });
      onClose();
    } catch (failure) {
      setProblem(failure);
    }
  });
  const onSubmit = (event) => {
    event.preventDefault();
    pause();
  };
  const errors = problem?.errors ?? {};
  const note = (attributes) => html`<input ...${attributes} type="text" maxlength="200" autocomplete="off" />`;
  const until = (attributes) => html`<input ...${attributes} type="datetime-local" />`;
  return html`<${Dialog} title=${t("pause.title")} onClose=${onClose}>
    <form class="form" ref=${form} novalidate onSubmit=${onSubmit}>
      <p class="muted">${t("pause.about")}</p>
      <${Field} name="note" label=${t("pause.note")} errors=${errors.note} control=${note} />
      <${Field} name="until" label=${t("pause.until.label")} hint=${t("pause.until.hint")} errors=${errors.until}
        control=${until} />
      <${FormError} problem=${problem} fields=${["note", "until"]} />
      <div class="dialog__actions">
        <${Button} label=${t("action.cancel")} onClick=${onClose} />
        <${Button} type="submit" kind="main" label=${t("pause.pause")} disabled=${busy} />
      </div>
    </form>
  <//>`;
}
