/**
 * Gives the tree of an expression its types: checks it node by node against the few forms that
 * rules have, and against the types of the attributes.
 */
import type { Expression as Node } from "acorn";
import { meantName } from "../structures/nearest_name.ts";
import { type AttributeOwner, type AttributeTypes, valuesOf } from "./attribute_types.ts";
import {
  type Arithmetic,
  type Comparison,
  type Expression,
  ExpressionError,
  type ExpressionType,
} from "./expression.ts";

/** Lengths of time in ms, by the function that makes them. */
const durations: Readonly<Record<string, number>> = {
  minutes: 60_000,
  hours: 3_600_000,
  days: 86_400_000,
};

const functionNames = [...Object.keys(durations), "has", "overlaps"];

const scalars: ReadonlySet<ExpressionType> = new Set(["text", "number", "boolean", "label"]);

/** An expression with the type of its value. */
interface Typed {
  readonly expression: Expression;
  readonly type: ExpressionType;
}

export class ExpressionTyping {
  readonly #types: AttributeTypes;

  constructor(types: AttributeTypes) {
    this.#types = types;
  }

  /** @throws {ExpressionError} The tree is no condition. */
  condition(node: Node): Expression {
    const { expression, type } = this.#typed(node);
    if (type === "boolean") return expression;
    const found = type === "labels" ? "a list" : valuesOf[type];
    throw wrong(node, `it gives ${found}; write a condition, such as price < 20`);
  }

  #typed(node: Node): Typed {
    switch (node.type) {
      case "ParenthesizedExpression":
        return this.#typed(node.expression);
      case "Literal": {
        const { value } = node;
        if (typeof value === "string") return literal(value, "text");
        if (typeof value === "number" && Number.isFinite(value)) return literal(value, "number");
        if (typeof value === "boolean") return literal(value, "boolean");
        if (value === null) throw wrong(node, "null is no value; write has(name) to test for one");
        throw wrong(node, "write a text in quotes, a number, true or false");
      }
      case "Identifier":
        if (node.name === "now") return { expression: { kind: "now" }, type: "number" };
        return this.#attribute(node, "item", node.name);
      case "MemberExpression":
        return this.#member(node);
      case "ArrayExpression": {
        const elements = node.elements.map((element) => {
          if (element === null || element.type === "SpreadElement") {
            throw wrong(element ?? node, "write values between commas");
          }
          return this.#scalar(element).expression;
        });
        return { expression: { kind: "list", elements }, type: "labels" };
      }
      case "UnaryExpression":
        if (node.operator === "!") {
          return {
            expression: { kind: "not", of: this.#condition(node.argument) },
            type: "boolean",
          };
        }
        if (node.operator === "-") {
          return {
            expression: { kind: "negate", of: this.#number(node.argument) },
            type: "number",
          };
        }
        throw wrong(node, `there is no operator ${node.operator}; known: !, -`);
      case "LogicalExpression": {
        if (node.operator === "??") throw wrong(node, "there is no operator ??; use has(name)");
        const [left, right] = [this.#condition(node.left), this.#condition(node.right)];
        const kind = node.operator === "&&" ? "and" : "or";
        return { expression: { kind, left, right }, type: "boolean" };
      }
      case "BinaryExpression":
        if (node.left.type === "PrivateIdentifier") throw wrong(node.left, "write an attribute");
        return this.#binary(node.operator, node.left, node.right, node);
      case "CallExpression":
        return this.#call(node);
      case "AssignmentExpression":
        throw wrong(node, "write == to compare");
      default:
        throw wrong(node, "write comparisons of attributes, joined by &&, || and !");
    }
  }

  #binary(operator: string, left: Node, right: Node, whole: Node): Typed {
    switch (operator) {
      case "==":
      case "===":
      case "!=":
      case "!==": {
        // Each side is typed once: twice would take exponential time in a chain of ==.
        const first = this.#scalar(left);
        const second = this.#alike(first, right);
        const equal = { kind: "equal", left: first.expression, right: second } as const;
        const expression = operator.startsWith("!") ? { kind: "not", of: equal } as const : equal;
        return { expression, type: "boolean" };
      }
      case "<":
      case "<=":
      case ">":
      case ">=": {
        const sides = { left: this.#number(left), right: this.#number(right) };
        const comparison = { kind: "comparison", operator: operator as Comparison } as const;
        return { expression: { ...comparison, ...sides }, type: "boolean" };
      }
      case "+":
      case "-":
      case "*":
      case "/":
      case "%": {
        const sides = { left: this.#number(left), right: this.#number(right) };
        const arithmetic = { kind: "arithmetic", operator: operator as Arithmetic } as const;
        return { expression: { ...arithmetic, ...sides }, type: "number" };
      }
      case "in": {
        const sides = { left: this.#scalar(left).expression, right: this.#list(right) };
        return { expression: { kind: "in", ...sides }, type: "boolean" };
      }
      default:
        throw wrong(
          whole,
          `there is no operator ${operator}; known: ==, !=, <, <=, >, >=, in, +, -, *, /, %`,
        );
    }
  }

  #call(node: Node & { readonly type: "CallExpression" }): Typed {
    const { callee, arguments: given } = node;
    const name = callee.type === "Identifier" ? callee.name : "";
    const nodes = given.map((argument) => {
      if (argument.type === "SpreadElement") throw wrong(argument, "write values between commas");
      return argument;
    });
    const requireCount = (count: number) => {
      if (nodes.length === count) return;
      throw wrong(
        node,
        `${name} takes ${count} value${count === 1 ? "" : "s"}, not ${nodes.length}`,
      );
    };
    if (Object.hasOwn(durations, name)) {
      requireCount(1);
      const right = { kind: "literal", value: durations[name] } as const;
      const left = this.#number(nodes[0]);
      const product = { kind: "arithmetic", operator: "*", left, right } as const;
      return { expression: product, type: "number" };
    }
    if (name === "has") {
      requireCount(1);
      const { expression: of } = this.#typed(nodes[0]);
      if (of.kind !== "attribute") {
        throw wrong(nodes[0], "has tests an attribute, as in has(price)");
      }
      return { expression: { kind: "has", of }, type: "boolean" };
    }
    if (name === "overlaps") {
      requireCount(2);
      const sides = { left: this.#list(nodes[0]), right: this.#list(nodes[1]) };
      return { expression: { kind: "overlaps", ...sides }, type: "boolean" };
    }
    if (callee.type === "MemberExpression") {
      throw wrong(
        callee,
        'there is no function of a value; write "new" in tags, brand in ["x", "y"] or ' +
          "overlaps(tags, user.likes)",
      );
    }
    const shown = name === "" ? "function" : `function ${name}`;
    throw wrong(callee, `there is no ${shown}; ${knownNames(name, functionNames)}`);
  }

  #member(node: Node & { readonly type: "MemberExpression" }): Typed {
    const { object, property, computed } = node;
    const owner = object.type === "Identifier" ? object.name : "";
    if (owner !== "item" && owner !== "user" && owner !== "context") {
      throw wrong(object, "before the dot stands item, user or context");
    }
    if (!computed && property.type === "Identifier") {
      return this.#attribute(property, owner, property.name);
    }
    if (computed && property.type === "Literal" && typeof property.value === "string") {
      return this.#attribute(property, owner, property.value);
    }
    throw wrong(property, `write a name, as in ${owner}["main-category"]`);
  }

  #attribute(node: { readonly start: number }, owner: AttributeOwner, name: string): Typed {
    const types = this.#types[owner];
    if (!Object.hasOwn(types, name)) {
      const near = knownNames(name, Object.keys(types));
      const shown = JSON.stringify(name.slice(0, 40));
      throw wrong(
        node,
        `no attribute ${shown} of ${owner} is declared; ${near} Declare others under attributes in cairn.yaml`,
      );
    }
    const type = types[name];
    return { expression: { kind: "attribute", owner, name, type }, type };
  }

  #condition(node: Node): Expression {
    return this.#of(node, "boolean");
  }

  #number(node: Node): Expression {
    return this.#of(node, "number");
  }

  #of(node: Node, wanted: "boolean" | "number"): Expression {
    const { expression, type } = this.#typed(node);
    if (type === wanted) return expression;
    const found = type === "labels" ? "a list" : valuesOf[type];
    const declare = type === "label" && expression.kind === "attribute"
      ? `; declare ${expression.name}: ${wanted} under attributes.${expression.owner} in cairn.yaml to use it as one`
      : "";
    throw wrong(node, `it is ${found}, expected ${valuesOf[wanted]}${declare}`);
  }

  #scalar(node: Node): Typed {
    const typed = this.#typed(node);
    if (scalars.has(typed.type)) return typed;
    throw wrong(node, "it is a list; write one value, or test lists with in or overlaps(a, b)");
  }

  #list(node: Node): Expression {
    const { expression, type } = this.#typed(node);
    if (!scalars.has(type)) return expression;
    throw wrong(node, `it is ${valuesOf[type as "text"]}, expected a list, such as ["a", "b"]`);
  }

  /** The right side of a comparison for equality. */
  #alike(a: Typed, right: Node): Expression {
    const b = this.#scalar(right);
    if (a.type === b.type || a.type === "label" || b.type === "label") return b.expression;
    throw wrong(
      right,
      `it is ${valuesOf[b.type as "text"]}, and the other side is ${valuesOf[a.type as "text"]}`,
    );
  }
}

function literal(value: string | number | boolean, type: ExpressionType): Typed {
  return { expression: { kind: "literal", value }, type };
}

/** The name that was probably meant, or all known names. */
function knownNames(name: string, known: readonly string[]): string {
  const near = meantName(name, known);
  if (near !== undefined) return `did you mean ${near}?`;
  return known.length === 0 ? "none is." : `known: ${known.slice(0, 20).join(", ")}.`;
}

function wrong(node: { readonly start: number }, correction: string): ExpressionError {
  return new ExpressionError(node.start + 1, correction);
}
