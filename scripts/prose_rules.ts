/**
 * Rules for the English of comments. Each is a pattern that a machine can find and a sentence that
 * says what to write instead. The lint plugin applies them to TypeScript, scripts/check_prose.ts to
 * Rust.
 */
import type { CommentLine } from "./comments.ts";

/** Columns of a source line that holds a comment, as `deno fmt` keeps them for code. */
export const COMMENT_COLUMNS_MAX = 100;

/** One rule. */
export interface ProseRule {
  readonly name: string;
  /** The text that breaks the rule; undefined where the line keeps it. */
  find(line: CommentLine): string | undefined;
  /** The advice that follows the finding. */
  readonly instead: string;
}

/** A tag of a docstring and the name after it: the sentence begins behind them. */
const TAG = /^@(?:param|template|property)\s+\S+\s+|^@\w+\s+/;

export const proseRules: readonly ProseRule[] = [
  {
    name: "comment-columns",
    find: ({ columns, text }) =>
      columns <= COMMENT_COLUMNS_MAX || /https?:\/\/|deno-lint-ignore/.test(text)
        ? undefined
        : `${columns} columns`,
    instead: `break comment lines at ${COMMENT_COLUMNS_MAX} columns`,
  },
  {
    name: "comment-opening",
    find: ({ text }) => /^(?:What|Those|Of)\b(?!.*\?$)/.exec(text.replace(TAG, ""))?.[0],
    instead:
      'name the thing first: "Delay before syncing, ms.", "Applies the deltas in order.", not "What …", "Those …" or "Of …"',
  },
  {
    name: "comment-persons",
    find: ({ text }) => /\b(?:nobody|somebody|whoever)\b/i.exec(text)?.[0],
    instead: "name the component, the caller or the user",
  },
];
