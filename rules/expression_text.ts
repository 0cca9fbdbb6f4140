/**
 * Reads the text of an expression into a tree of acorn, which never runs it.
 */
import { type Expression as Node, parseExpressionAt } from "acorn";
import { ExpressionError } from "./expression.ts";

/** Bound of an expression's text, UTF-16 units; it bounds the depth of the tree too. */
export const EXPRESSION_UNITS_MAX = 1_000;

/** The words of other languages for operators. */
const operatorOf: Readonly<Record<string, string>> = { and: "&&", or: "||", not: "!" };

/**
 * The tree of a text that is one expression.
 *
 * @throws {ExpressionError} The text is empty, too long, not an expression, or more than one.
 */
export function readExpression(text: string): Node {
  if (text.trim() === "") throw new ExpressionError(1, "it is empty; write a condition");
  if (text.length > EXPRESSION_UNITS_MAX) {
    throw new ExpressionError(
      EXPRESSION_UNITS_MAX + 1,
      `it has ${text.length} characters; write at most ${EXPRESSION_UNITS_MAX}`,
    );
  }
  let node: Node;
  try {
    node = parseExpressionAt(text, 0, { ecmaVersion: 2022, preserveParens: true });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const { pos = 0 } = error as SyntaxError & { readonly pos?: number };
    const reason = error.message.replace(/ \(\d+:\d+\)$/, "");
    throw new ExpressionError(pos + 1, `${reason.charAt(0).toLowerCase()}${reason.slice(1)}`);
  }
  const rest = text.slice(node.end);
  if (rest.trim() !== "") {
    const word = rest.trim().split(/\s+/, 1)[0];
    const at = node.end + rest.indexOf(word) + 1;
    const instead = Object.hasOwn(operatorOf, word)
      ? `write ${operatorOf[word]}`
      : "expected an operator such as && or ||";
    throw new ExpressionError(
      at,
      `found "${word.slice(0, 40)}" after the end of the condition; ${instead}`,
    );
  }
  return node;
}
