/**
 * Finds payloads that are declared with the actor that receives them. A payload belongs to the
 * actor that makes it, or to records/, so that a reader meets the producer before its consumers.
 *
 * From the protocol of another actor, an actor may import messages, values (errors, functions) and
 * the types of that actor's answers.
 */
import { present } from "../structures/invariant.ts";

/** A type or value that a protocol declares. */
interface Declaration {
  readonly isValue: boolean;
  readonly text: string;
}

const protocolOf = /^actors\/([^/]+)\/protocol\.ts$/;
const actorOf = /^actors\/([^/]+)\/[^/]+\.ts$/;
const imported = /^import (?:type )?\{([^}]*)\} from "\.\.\/(\w+)\/protocol\.ts";/gm;

/**
 * The findings, one line each.
 *
 * @param sources Texts of the actors' files, by paths relative to the root.
 */
export function strayPayloads(sources: ReadonlyMap<string, string>): string[] {
  const stray = new Map<string, Set<string>>();
  for (const [path, text] of sources) {
    const actor = protocolOf.exec(path)?.[1];
    if (actor !== undefined) stray.set(actor, onlyReceived(text));
  }
  const findings: string[] = [];
  for (const [path, text] of sources) {
    const own = actorOf.exec(path)?.[1];
    for (const { 1: names, 2: other, index } of text.matchAll(imported)) {
      if (own === undefined || own === other) continue;
      const line = text.slice(0, index).split("\n").length;
      for (const name of namesIn(names).filter((name) => stray.get(other)?.has(name))) {
        findings.push(
          `${path}:${line} imports ${name} from the protocol of ${other}, which receives it and ` +
            `never answers with it; declare it in actors/${own}/protocol.ts or in records/`,
        );
      }
    }
  }
  return findings;
}

/** Names of the types that a protocol declares for its messages alone, and not for its answers. */
function onlyReceived(protocol: string): Set<string> {
  const declarations = declarationsOf(protocol.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, ""));
  const texts = [...declarations.values()].map(({ text }) => text);
  const answered = namedIn(texts.flatMap(answersIn), declarations);
  const received = namedIn(texts.filter(isMessage), declarations);
  return new Set([...received].filter((name) => {
    const { isValue, text } = present(declarations.get(name), "the name is declared");
    return !isValue && !answered.has(name) && !isMessage(text);
  }));
}

/** The declarations that texts name, also through other declarations. */
function namedIn(
  texts: readonly string[],
  declarations: ReadonlyMap<string, Declaration>,
): Set<string> {
  const named = new Set<string>();
  const add = (text: string) => {
    for (const [name] of text.matchAll(/\b[A-Z]\w*/g)) {
      const declaration = declarations.get(name);
      if (declaration === undefined || named.has(name)) continue;
      named.add(name);
      add(declaration.text);
    }
  };
  texts.forEach(add);
  return named;
}

function isMessage(text: string): boolean {
  return /\bextends Request</.test(text) || /^\s*readonly kind: "/m.test(text) ||
    /^(?:export )?type \w+Message\b/.test(text);
}

function declarationsOf(protocol: string): Map<string, Declaration> {
  const start = /^(?:export )?(?:abstract )?(interface|type|class|function|const) (\w+)/gm;
  const starts = [...protocol.matchAll(start)];
  return new Map(starts.map(({ 1: keyword, 2: name, index }, i) => {
    const text = protocol.slice(index, starts[i + 1]?.index);
    return [name, { isValue: keyword !== "interface" && keyword !== "type", text }];
  }));
}

/** The type arguments of each `Request<…>`. */
function answersIn(text: string): string[] {
  return [...text.matchAll(/\bRequest</g)].map(({ 0: { length }, index }) => {
    const from = index + length;
    let [end, depth] = [from, 1];
    while (depth > 0 && end < text.length) {
      const isArrow = text[end - 1] === "=";
      if (text[end] === "<") depth++;
      if (text[end] === ">" && !isArrow) depth--;
      end++;
    }
    return text.slice(from, end - 1);
  });
}

function namesIn(list: string): string[] {
  return list.split(",").map((each) => each.trim().replace(/^type /, "").split(" as ")[0])
    .filter((name) => name !== "");
}
