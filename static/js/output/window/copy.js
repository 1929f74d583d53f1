/** What a person selects with the mouse is copied as it was written: browsers leave empty lines out. */

const TEXT = ".out-row:not(.out-row--gap) .out-row__text";

/**
 * @param {HTMLElement} host what holds the rows
 * @param {Range} selected
 * @returns {string|null} the text of what is selected of the rows; null: the selection is not within them
 */
function selectedText(host, selected) {
  if (selected.collapsed || !host.contains(selected.commonAncestorContainer)) return null;
  const texts = [...host.querySelectorAll(TEXT)].filter((text) => selected.intersectsNode(text));
  return texts.map((text) => within(text, selected).toString()).join("\n");
}

/** @returns {Range} what two have in common, which is something */
function within(text, selected) {
  const range = document.createRange();
  range.selectNodeContents(text);
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
