/** The group of a command: shown, chosen, and what a list is narrowed by. */
import { toCommands } from "../base/router.js";
import { html, useRef } from "../base/ui.js";
import { DEFAULT_GROUP, EVERY_GROUP, givenRoles, groupsWith } from "../model/access.js";
import { Field } from "../parts/field.js";
import { t } from "../words/words.js";

/** @typedef {import("../model/types.js").Command} Command @typedef {import("../model/types.js").Who} Who */

/** A command's group, which leads to its others; the usual one goes without saying. @param {{of: Command}} props */
export const Group = ({ of: { group = DEFAULT_GROUP } }) =>
  group !== DEFAULT_GROUP &&
  html`<a class="group above" href=${"#" + toCommands({ group })} title=${t("group.of")}><bdi>${group}</bdi></a>`;

/**
 * Where there is more than one.
 * @param {{groups: string[], group?: string, onChoose: (group: string) => void}} props
 */
export const GroupFilter = ({ groups, group = "", onChoose }) =>
  groups.length > 1 &&
  html`<label class="filter">
    <span>${t("field.group")}</span>
    <select value=${group} onChange=${(event) => onChoose(event.target.value)}>
      <option value="">${t("filter.all")}</option>
      ${groups.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
    </select>
  </label>`;

/**
 * The groups that a person has met: those of their roles, and of the commands listed since the screen opened.
 * @param {Who|null} who
 * @param {Command[]|undefined} commands
 * @param {string|undefined} chosen
 * @returns {string[]}
 */
export function useKnownGroups(who, commands, chosen) {
  const known = useRef(new Set());
  const named = (who ? givenRoles(who) : []).flatMap(([group]) => (group === EVERY_GROUP ? [] : [group]));
  const listed = (commands ?? []).map(({ group }) => group ?? DEFAULT_GROUP);
  for (const group of [...named, ...listed, chosen]) if (group) known.current.add(group);
  return [...known.current].sort();
}

/**
 * @param {Who|null} who
 * @param {import("../model/types.js").Role} role that choosing takes
 * @returns {{groups: string[]|null|undefined, usual: string|undefined}} groups: null: any; undefined: there is no
 * choice; usual: what is chosen at first
 */
export function groupChoices(who, role) {
  if (who === null) return { groups: undefined, usual: undefined };
  const groups = groupsWith(who, role);
  if (groups === null) return { groups, usual: DEFAULT_GROUP };
  const usual = groups.includes(DEFAULT_GROUP) ? DEFAULT_GROUP : groups[0];
  return groups.join() === DEFAULT_GROUP ? { groups: undefined, usual: undefined } : { groups, usual };
}

/** @param {{groups: string[]|null, group: string, errors?: string[]}} props groups: null: any can be typed */
export function GroupField({ groups, group = DEFAULT_GROUP, errors }) {
  const any = (attributes) => html`<input ...${attributes} type="text" required defaultValue=${group} autocomplete="off"
    autocapitalize="off" spellcheck=${false} />`;
  const some = (attributes) => html`<select ...${attributes}>
    ${[...new Set([...groups, group])].map(
      (each) => html`<option key=${each} value=${each} selected=${each === group}>${each}</option>`,
    )}
  </select>`;
  return html`<${Field} name="group" label=${t("field.group")} hint=${t("field.group.hint")} errors=${errors}
    control=${groups ? some : any} />`;
}
