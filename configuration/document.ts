/**
 * A YAML file with the places of its values: problems can name line and column.
 */
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import type { ConfigurationPath, ConfigurationProblem } from "./problems.ts";
import { formatPath } from "./problems.ts";

export class ConfigurationDocument {
  readonly #lines = new LineCounter();
  readonly #document: Document;

  constructor(text: string) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
  }

  /** Problems of the text itself; {@link value} is only meaningful without any. */
  get problems(): ConfigurationProblem[] {
    return [...this.#document.errors, ...this.#document.warnings].map((error) => ({
      ...this.#at(error.pos[0]),
      path: "",
      message: error.code === "DUPLICATE_KEY"
        ? "this key stands here twice; keep one of them"
        : `this is not YAML: ${error.message}`,
    }));
  }

  /** Plain data; an empty file is an empty map. */
  value(): unknown {
    // Aliases are bounded, so that a small file cannot unfold into a huge one.
    return this.#document.toJS({ maxAliasCount: 100 }) ?? {};
  }

  /** The problem at `path`, placed at its value, or at its nearest parent where there is none. */
  problem(path: ConfigurationPath, message: string, atKey = false): ConfigurationProblem {
    return { ...this.#position(path, atKey), path: formatPath(path), message };
  }

  #position(path: ConfigurationPath, atKey: boolean): { line: number; column: number } {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#offsetOf(path.slice(0, length), atKey || length < path.length);
      if (offset !== undefined) return this.#at(offset);
    }
    return { line: 1, column: 1 };
  }

  #offsetOf(path: ConfigurationPath, atKey: boolean): number | undefined {
    if (atKey) {
      const parent = path.length === 1
        ? this.#document.contents
        : this.#document.getIn(path.slice(0, -1), true);
      if (isMap(parent)) {
        const pair = parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
        if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0];
      }
    }
    const node = this.#document.getIn(path, true);
    return isNode(node) ? node.range?.[0] : undefined;
  }

  #at(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }
}
