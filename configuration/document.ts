/**
 * A YAML file that keeps the line and column of each value, for messages.
 */
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { type ConfigurationPath, type ConfigurationProblem, formatPath } from "./problems.ts";

export class ConfigurationDocument {
  readonly #lines = new LineCounter();
  readonly #document: Document;

  constructor(text: string) {
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      // The library would print keys that are collections, secrets included.
      logLevel: "error",
    });
  }

  /** Syntax problems; {@link value} is valid only when there are none. */
  get problems(): ConfigurationProblem[] {
    return [...this.#document.errors, ...this.#document.warnings].map((error) => ({
      ...this.#at(error.pos[0]),
      path: "",
      message: error.code === "DUPLICATE_KEY"
        ? "duplicate key; keep one of them"
        : `this is not YAML: ${withoutSource(error.message)}`,
    }));
  }

  /** Whether the file has no value: it has nothing but white space and comments. */
  get isEmpty(): boolean {
    const { contents } = this.#document;
    return contents === null || (isScalar(contents) && !contents.source && contents.value === null);
  }

  /**
   * The file as plain data; null is an empty map.
   *
   * @throws {Error} When aliases expand to more than 100 nodes per alias.
   */
  value(): unknown {
    // Bounded, so that a small file cannot expand into a huge value.
    return this.#document.toJS({ maxAliasCount: 100 }) ?? {};
  }

  /**
   * A problem at `path`, with the position of its value or, when it has none, of its nearest
   * parent.
   */
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

/**
 * A message of the YAML library without the part that quotes the file, which may be an API key:
 * an alias (`*key`), a tag (`!key`), a directive (`%key`) or the rest of a line.
 */
export function withoutSource(message: string): string {
  return message.replace(/: .*$/s, "").replace(/(directive) .*$/s, "$1");
}
