/** What a person selects with the mouse is copied as it was written: browsers leave empty lines out. */

const ROW = ".out-row";

/** @param {Iterable<HTMLElement>} rows @param {(row: HTMLElement) => string} textOf @returns {string} */
export function rowsText(rows, textOf) {
  const parts = [];
  for (const row of rows) {
    if (parts.length && row.dataset.line !== undefined) parts.push("\n");
    parts.push(textOf(row));
  }
  return parts.join("");
}

/**
 * @param {HTMLElement} host what holds the rows
 * @param {Range} selected
 * @returns {string|null} the text of what is selected of the rows; null: the selection is not within them
 */
function selectedText(host, selected) {
  if (selected.collapsed || !host.contains(selected.startContainer)) return null;
  const rows = [...host.querySelectorAll(ROW)].filter((row) => selected.intersectsNode(row));
  return rowsText(rows, (row) => within(row, selected).toString());
}

/** @returns {Range} what two have in common, which is something */
function within(row, selected) {
  const range = document.createRange();
  range.selectNodeContents(row);
  if (selected.compareBoundaryPoints(Range.START_TO_START, range) > 0) {
    range.setStart(selected.startContainer, selected.startOffset);
  }
  if (selected.compareBoundaryPoints(Range.END_TO_END, range) < 0) {
    range.setEnd(selected.endContainer, selected.endOffset);
  }
  return range;
}

/** @param {HTMLElement} host @returns {(event: ClipboardEvent) => void} the handler of `copy` */
export const copyRows = (host) => (event) => {
  const selection = getSelection();
  const text = selection.rangeCount ? selectedText(host, selection.getRangeAt(0)) : null;
  if (text === null) return;
  event.clipboardData.setData("text/plain", text);
  event.preventDefault();
};
