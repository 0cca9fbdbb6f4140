/**
 * Expressions of rules as typed trees: made by parse_expression.ts, run by compile_expression.ts.
 */
import type { AttributeOwner, AttributeType } from "./attribute_types.ts";

/** Operators of two numbers. */
export type Arithmetic = "+" | "-" | "*" | "/" | "%";

/** Comparisons of two numbers. */
export type Comparison = "<" | "<=" | ">" | ">=";

/** The type of a part of an expression; `labels` is a list written in the expression. */
export type ExpressionType = AttributeType | "labels";

/** A typed expression. The type of `attribute` is declared; that of the others follows. */
export type Expression =
  | { readonly kind: "literal"; readonly value: string | number | boolean }
  | { readonly kind: "list"; readonly elements: readonly Expression[] }
  | {
    readonly kind: "attribute";
    readonly owner: AttributeOwner;
    readonly name: string;
    readonly type: AttributeType;
  }
  | { readonly kind: "now" }
  | { readonly kind: "not" | "negate"; readonly of: Expression }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | {
    readonly kind: "arithmetic";
    readonly operator: Arithmetic;
    readonly left: Expression;
    readonly right: Expression;
  }
  | {
    readonly kind: "comparison";
    readonly operator: Comparison;
    readonly left: Expression;
    readonly right: Expression;
  }
  | {
    readonly kind: "equal" | "in" | "overlaps";
    readonly left: Expression;
    readonly right: Expression;
  }
  | { readonly kind: "has"; readonly of: Expression & { readonly kind: "attribute" } };

/** An expression is wrong: the character where, from 1, and the correction. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  constructor(
    /** From 1. */
    readonly character: number,
    readonly correction: string,
  ) {
    super(`at character ${character}: ${correction}`);
  }
}
