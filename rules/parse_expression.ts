/**
 * Parses the expressions of rules: the text becomes a tree, and the tree an expression with types.
 */
import type { AttributeTypes } from "./attribute_types.ts";
import type { Expression } from "./expression.ts";
import { readExpression } from "./expression_text.ts";
import { ExpressionTyping } from "./expression_typing.ts";

/**
 * The typed expression of a text that is true or false.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseCondition } from "./parse_expression.ts";
 *
 * const types = { item: { price: "number" }, user: {}, context: {} } as const;
 * assert.equal(parseCondition("price < 20", types).kind, "comparison");
 * assert.throws(() => parseCondition("price < 'a'", types), /at character 9: .*number/);
 * ```
 *
 * @throws {ExpressionError} With the character and the correction.
 */
export function parseCondition(text: string, types: AttributeTypes): Expression {
  return new ExpressionTyping(types).condition(readExpression(text));
}
