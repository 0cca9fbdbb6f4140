/**
 * Turns typed expressions into closures, so that a rule costs a few calls an item.
 *
 * An absent attribute, or one of another type than declared, makes every comparison with it false;
 * `!=` is the opposite of `==`, so it is true then.
 */
import type { Attributes, AttributeValue } from "../mesh/ports/profile_store.ts";
import { type AttributeOwner, isOfType } from "./attribute_types.ts";
import type { Expression } from "./expression.ts";

/** The values that an expression reads. */
export interface Scope {
  readonly item: Attributes;
  readonly user: Attributes;
  readonly context: Attributes;
  /** The request's time on the data clock, ms. */
  readonly nowMs: number;
}

/** The values that a filter over all items reads besides those of an item. */
export type FilterScope = Omit<Scope, "item">;

/** A condition on an item. */
export type Condition = (scope: Scope) => boolean;

type Value = string | number | boolean | readonly string[] | undefined;
type Read = (scope: Scope) => Value;

/** The condition of an expression. */
export function compileCondition(expression: Expression): Condition {
  const read = compile(expression);
  return (scope) => read(scope) === true;
}

/** Owners of the attributes that an expression reads. */
export function ownersRead(expression: Expression, owners = new Set<AttributeOwner>()) {
  if (expression.kind === "attribute") owners.add(expression.owner);
  if ("of" in expression) ownersRead(expression.of, owners);
  if ("left" in expression) {
    ownersRead(expression.left, owners);
    ownersRead(expression.right, owners);
  }
  if (expression.kind === "list") {
    for (const element of expression.elements) ownersRead(element, owners);
  }
  return owners;
}

/** Whether an expression reads the request's time. */
export function readsTime(expression: Expression): boolean {
  if (expression.kind === "now") return true;
  if ("of" in expression) return readsTime(expression.of);
  if ("left" in expression) return readsTime(expression.left) || readsTime(expression.right);
  return expression.kind === "list" && expression.elements.some(readsTime);
}

function compile(expression: Expression): Read {
  switch (expression.kind) {
    case "literal": {
      const { value } = expression;
      return () => value;
    }
    case "list": {
      const values = literalsOf(expression);
      if (values !== undefined) return () => values;
      const elements = expression.elements.map(compile);
      return (scope) =>
        elements.map((element) => element(scope)).filter((each) => each !== undefined).map(String);
    }
    case "attribute": {
      const { owner, name, type } = expression;
      return (scope) => {
        const value: AttributeValue | undefined = Object.hasOwn(scope[owner], name)
          ? scope[owner][name]
          : undefined;
        return value === null || !isOfType(value, type) ? undefined : value as Value;
      };
    }
    case "now":
      return (scope) => scope.nowMs;
    case "not": {
      const of = compile(expression.of);
      return (scope) => of(scope) !== true;
    }
    case "negate": {
      const of = compile(expression.of);
      return (scope) => {
        const value = of(scope);
        return value === undefined ? undefined : -(value as number);
      };
    }
    case "and": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      return (scope) => left(scope) === true && right(scope) === true;
    }
    case "or": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      return (scope) => left(scope) === true || right(scope) === true;
    }
    case "arithmetic": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      const calculate = arithmetic[expression.operator];
      return (scope) => {
        const [a, b] = [left(scope), right(scope)];
        return a === undefined || b === undefined ? undefined : calculate(a as number, b as number);
      };
    }
    case "comparison": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      const compare = comparisons[expression.operator];
      return (scope) => {
        const [a, b] = [left(scope), right(scope)];
        return a !== undefined && b !== undefined && compare(a as number, b as number);
      };
    }
    case "equal": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      return (scope) => {
        const [a, b] = [left(scope), right(scope)];
        return a !== undefined && b !== undefined && (a === b || String(a) === String(b));
      };
    }
    case "in": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      const literals = literalsOf(expression.right);
      if (literals !== undefined) {
        const known = new Set(literals);
        return (scope) => {
          const value = left(scope);
          return value !== undefined && known.has(String(value));
        };
      }
      return (scope) => {
        const [value, list] = [left(scope), right(scope)];
        return value !== undefined && list !== undefined &&
          (list as readonly string[]).includes(String(value));
      };
    }
    case "overlaps": {
      const [left, right] = [compile(expression.left), compile(expression.right)];
      return (scope) => {
        const [a, b] = [left(scope), right(scope)] as (readonly string[] | undefined)[];
        return a !== undefined && b !== undefined && a.some((value) => b.includes(value));
      };
    }
    case "has": {
      const of = compile(expression.of);
      return (scope) => of(scope) !== undefined;
    }
    default:
      return expression satisfies never;
  }
}

/** The elements of a written list of literals, which are the same for each item. */
function literalsOf(expression: Expression): readonly string[] | undefined {
  if (expression.kind !== "list") return undefined;
  const values: string[] = [];
  for (const element of expression.elements) {
    if (element.kind !== "literal") return undefined;
    values.push(String(element.value));
  }
  return values;
}

const arithmetic = {
  "+": (a: number, b: number) => a + b,
  "-": (a: number, b: number) => a - b,
  "*": (a: number, b: number) => a * b,
  "/": (a: number, b: number) => a / b,
  "%": (a: number, b: number) => a % b,
};

const comparisons = {
  "<": (a: number, b: number) => a < b,
  "<=": (a: number, b: number) => a <= b,
  ">": (a: number, b: number) => a > b,
  ">=": (a: number, b: number) => a >= b,
};
