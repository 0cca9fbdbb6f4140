/**
 * Rules that are ready to run, and the memory of those compiled last: the rules of scenarios and
 * most requests' come again and again.
 */
import type { AttributeTypes } from "./attribute_types.ts";
import { compileCondition, type Condition, ownersRead } from "./compile_expression.ts";
import { parseCondition } from "./parse_expression.ts";
import type { RuleSet } from "./rule_set.ts";

/** Texts whose compiled conditions are held. */
const CONDITIONS_MAX = 256;

/** A condition, and whether it reads attributes of items. */
export interface CompiledCondition {
  readonly holds: Condition;
  readonly readsItems: boolean;
}

/** A rule set with its conditions compiled. */
export interface CompiledRules {
  readonly rules: RuleSet;
  readonly filters: readonly CompiledCondition[];
  readonly boosts: readonly { readonly holds: Condition; readonly factor: number }[];
  /** Whether an item is new; absent without such a rule. */
  readonly isNew?: Condition;
  /** Whether attributes of items are read. */
  readonly readsItems: boolean;
}

/** Compiles conditions, and keeps the last of them by text. */
export class RuleCompiler {
  readonly #types: AttributeTypes;
  readonly #conditions = new Map<string, CompiledCondition>();

  constructor(types: AttributeTypes) {
    this.#types = types;
  }

  /** @throws {ExpressionError} When a condition is wrong. */
  compile(rules: RuleSet): CompiledRules {
    const filters = (rules.filter ?? []).map((text) => this.#condition(text));
    const conditions = (rules.boost ?? []).map(({ when }) => this.#condition(when));
    const isNew = rules.newItems && this.#condition(rules.newItems.when);
    return {
      rules,
      filters,
      boosts: conditions.map(({ holds }, i) => ({ holds, factor: rules.boost?.[i].factor ?? 1 })),
      ...(isNew && { isNew: isNew.holds }),
      readsItems:
        [...filters, ...conditions, ...isNew ? [isNew] : []].some(({ readsItems }) => readsItems) ||
        rules.diversity?.kind === "cap",
    };
  }

  #condition(text: string): CompiledCondition {
    const known = this.#conditions.get(text);
    if (known !== undefined) return known;
    const expression = parseCondition(text, this.#types);
    const condition = {
      holds: compileCondition(expression),
      readsItems: ownersRead(expression).has("item"),
    };
    if (this.#conditions.size >= CONDITIONS_MAX) {
      const [oldest] = this.#conditions.keys();
      this.#conditions.delete(oldest);
    }
    this.#conditions.set(text, condition);
    return condition;
  }
}
