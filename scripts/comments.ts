/**
 * Finds the comments of TypeScript and Rust sources, line by line. Strings, templates, regular
 * expressions and character literals are skipped, so that a `//` inside them is not taken for a
 * comment.
 */

/** The part of one source line that lies in a comment. */
export interface CommentLine {
  /** From 1. */
  readonly line: number;
  /** The comment's words, without `//`, `/**`, a leading `*` and the closing marker. */
  readonly text: string;
  /** Length of the whole source line, code before the comment included. */
  readonly columns: number;
}

/** A source file taken apart. */
export interface ScannedSource {
  readonly comments: readonly CommentLine[];
  /** The source with comments and the contents of strings blanked; line numbers stay. */
  readonly code: string;
}

/**
 * A sticky pattern for each token that has to be skipped whole, in the order in which they are
 * tried.
 */
const RUST_TOKENS = [
  /\/\/[^\n]*/y,
  /\/\*[^]*?\*\//y,
  /b?r(#*)"[^]*?"\1/y,
  /b?"(?:\\[^]|[^"\\])*"/y,
  /b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^'\\\n])'/y,
];
const SCRIPT_TOKENS = [
  /\/\/[^\n]*/y,
  /\/\*[^]*?\*\//y,
  /"(?:\\[^]|[^"\\\n])*"/y,
  /'(?:\\[^]|[^'\\\n])*'/y,
];
const REGULAR_EXPRESSION = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
/** A slash after one of these begins a regular expression; after anything else it divides. */
const BEFORE_EXPRESSION =
  /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|of|in|do|else|yield|await|void))\s*$/;

/** Takes a source apart; `path` says by its ending which language it is in. */
export function scanSource(path: string, source: string): ScannedSource {
  const rust = path.endsWith(".rs");
  const tokens = rust ? RUST_TOKENS : SCRIPT_TOKENS;
  const found: { at: number; text: string }[] = [];
  /** For each open template the depth of braces inside its `${`. */
  const templates: number[] = [];
  let code = "";
  let at = 0;
  const skip = (length: number, keep = "") => {
    code += keep + blank(source.slice(at + keep.length, at + length));
    at += length;
  };
  const skipTemplate = () => {
    // From a backtick, or from the brace that ends a substitution, to the next `${` or the closing
    // backtick.
    let end = at + 1;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) {
      end += source[end] === "\\" ? 2 : 1;
    }
    if (source[end] === "`") skip(end + 1 - at);
    else {
      templates.push(0);
      skip(end + 2 - at);
    }
  };
  scan: while (at < source.length) {
    for (const token of tokens) {
      token.lastIndex = at;
      const match = token.exec(source)?.[0];
      if (match === undefined) continue;
      if (match.startsWith("/")) found.push({ at, text: match });
      skip(match.length);
      continue scan;
    }
    const character = source[at];
    if (!rust) {
      if (character === "/" && BEFORE_EXPRESSION.test(code.slice(-40))) {
        REGULAR_EXPRESSION.lastIndex = at;
        const match = REGULAR_EXPRESSION.exec(source)?.[0];
        if (match !== undefined) {
          skip(match.length, "/");
          continue;
        }
      }
      if (character === "`") {
        skipTemplate();
        continue;
      }
      if (templates.length > 0 && character === "{") templates[templates.length - 1]++;
      if (templates.length > 0 && character === "}" && templates[templates.length - 1]-- === 0) {
        templates.pop();
        skipTemplate();
        continue;
      }
    }
    code += character;
    at++;
  }
  return { comments: commentLines(source, found), code };
}

/** Whitespace of the same length with the same line ends. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

function commentLines(
  source: string,
  found: readonly { at: number; text: string }[],
): CommentLine[] {
  const lines = source.split("\n");
  let line = 1;
  let countedTo = 0;
  return found.flatMap(({ at, text }) => {
    for (; countedTo < at; countedTo++) if (source[countedTo] === "\n") line++;
    return text.split("\n").map((part, i) => ({
      line: line + i,
      text: withoutMarkers(part),
      columns: lines[line + i - 1].length,
    }));
  });
}

/** The words of one line of a comment. */
export function withoutMarkers(part: string): string {
  return part.trim().replace(/^(\/\/[/!]?|\/\*[*!]?|\*(?!\/))/, "").replace(/\*\/$/, "").trim();
}
