/**
 * A table of figures for a report, as HTML.
 */
import { escapeHtml } from "../../structures/escape_html.ts";

/**
 * The first column has names, the others figures. The table scrolls where the screen is narrower.
 *
 * @param rows Each with as many cells as the header.
 */
export function dataTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const row = (tag: "th" | "td", cells: readonly string[]) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return `<div class="table"><table><thead>${row("th", header)}</thead>\n` +
    `<tbody>${rows.map((cells) => row("td", cells)).join("\n")}</tbody></table></div>`;
}
