/**
 * Shows output three ways: by the page's Screen, by its renderLines, and by a plain @xterm/headless, with the
 * widths of Unicode 11, that is fed everything. A JSON object a line on its standard input, one on its standard output for each.
 *
 * In: {bytes: base64, cuts: number[], columns, rows}: the output, and after which of its bytes it is cut.
 * Out: {screen, lines, xterm}: rows as [text, marks of each character], without what is blank at their ends.
 */
import { createInterface } from "node:readline";
import { renderLines } from "./js/output/terminal/render.js";
import { Screen } from "./js/output/terminal/screen.js";
import { Terminal } from "./vendor/xterm-headless/xterm-headless.js";
import { Unicode11Addon } from "./vendor/xterm-unicode11/addon-unicode11.js";

const SCROLLBACK = 100_000;
/** Of a class, its letter in the marks. */
const LETTERS = { bold: "b", dim: "d", italic: "i", underline: "u", strike: "s", overline: "o", concealed: "h" };

for await (const line of createInterface({ input: process.stdin })) {
  const { bytes, cuts, columns, rows } = JSON.parse(line);
  const output = Buffer.from(bytes, "base64");
  const size = { columns, rows };
  const told = {
    screen: await byScreen(output, cuts, size),
    lines: await byLines(new TextDecoder().decode(output), size),
    xterm: await byXterm(new TextDecoder().decode(output), size),
  };
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

async function byScreen(output, cuts, size) {
  const screen = new Screen({ size, keep: SCROLLBACK });
  const decoder = new TextDecoder();
  let [offset, line] = [0, 1];
  for (const cut of [...cuts, output.length]) {
    const text = decoder.decode(output.subarray(offset, cut), { stream: cut < output.length });
    screen.write({ offset, next: cut, line, text });
    await screen.shown;
    line += text.split("\n").length - 1;
    offset = cut;
  }
  return trimmed(screen.rows(0, screen.count).map(({ spans }) => marked(spans)));
}

async function byLines(text, size) {
  const texts = text.split("\n");
  const lines = texts.map((line, i) => ({
    number: i + 1,
    offset: null,
    text: line,
    rest: 0,
    whole: i < texts.length - 1,
  }));
  const drawn = (await renderLines(lines, { size })).filter(({ swallowed }) => !swallowed);
  return trimmed(drawn.flatMap(({ spans }) => ofEachRow(spans)).map(marked));
}

/** A line that makes several rows has newlines in its spans. */
function ofEachRow(spans) {
  const rows = [[]];
  for (const span of spans) {
    if (span.text === "\n") rows.push([]);
    else rows.at(-1).push(span);
  }
  return rows;
}

/** @returns {[string, string[]][]} each character with its marks */
function marked(spans) {
  return spans.flatMap(({ text, style }) => {
    const letters = (style?.classes ?? "").split(" ").map((name) => LETTERS[name] ?? (name === "bg-text" ? "v" : ""));
    return [...text].map((character) => [character, letters.sort().join("")]);
  });
}

async function byXterm(text, { columns, rows }) {
  const options = { cols: columns, rows, scrollback: SCROLLBACK, allowProposedApi: true, logLevel: "off" };
  const terminal = new Terminal(options);
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  // What a terminal's driver makes of a newline; what is named in docs/page.md: it ends a sequence that is not ended.
  await new Promise((done) => terminal.write(text.replaceAll("\n", "\x18\r\n"), done));
  const { normal, active } = terminal.buffer;
  if (active === normal) return trimmed(joined(normal));
  // Above the other buffer a row of blanks that were written can be told.
  return [...shortened(joined(normal, writtenRows(normal))), ...trimmed(joined(active))];
}

/** How many rows there are down to the last that anything was written to. */
function writtenRows(buffer) {
  let count = buffer.length;
  while (count > 0 && buffer.getLine(count - 1)._line.getTrimmedLength() === 0) count -= 1;
  return count;
}

/** The rows of a buffer, each with those that it went on in. */
function joined(buffer, count = buffer.length) {
  const rows = [];
  for (let y = 0; y < count; y += 1) {
    const [line, next] = [buffer.getLine(y), buffer.getLine(y + 1)];
    const cells = cellsOf(line, next?.isWrapped && next.getCell(0).getWidth() === 2);
    if (line.isWrapped && rows.length) rows.at(-1).push(...cells);
    else rows.push(cells);
  }
  return rows;
}

/** @param {boolean} gap whether a wide character had no room in the last column */
function cellsOf(line, gap) {
  const cells = [];
  for (let x = 0; x < line.length; x += 1) {
    const cell = line.getCell(x);
    if (cell.getWidth() === 0 || (gap && x === line.length - 1 && cell.getChars() === "")) continue;
    const marks = [
      [cell.isBold(), "b"],
      [cell.isDim(), "d"],
      [cell.isItalic(), "i"],
      [cell.isUnderline(), "u"],
      [cell.isStrikethrough(), "s"],
      [cell.isOverline(), "o"],
      [cell.isInvisible(), "h"],
      [cell.isInverse() && cell.isFgDefault(), "v"],
    ];
    const letters = marks.filter(([is]) => is).map(([, letter]) => letter);
    cells.push(...[...(cell.getChars() || " ")].map((character) => [character, letters.sort().join("")]));
  }
  return cells;
}

/** Blanks at the end of a row, and rows at the end that are blank, cannot be told from what nothing was written to. */
function trimmed(rows) {
  const short = shortened(rows);
  while (short.length && short.at(-1)[0] === "") short.pop();
  return short;
}

function shortened(rows) {
  return rows.map((row) => {
    let end = row.length;
    while (end > 0 && row[end - 1][0] === " ") end -= 1;
    const kept = row.slice(0, end);
    return [kept.map(([character]) => character).join(""), kept.map(([, marks]) => marks)];
  });
}
