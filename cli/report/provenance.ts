/**
 * Footnotes that say how a report was made: the command that makes it again, and the machine.
 */
import metadata from "../../deno.json" with { type: "json" };

/** Options of the output, and a key. */
const OMITTED = ["apiKey", "json", "report", "keep"];
/** Sections of the configuration that may hold secrets and change no figure of a report. */
const SECRET_SECTIONS = /^(gateway|mesh|storage)\b/;

/**
 * The command line with the same options, defaults included. Values of API keys and of the sections
 * `gateway`, `mesh` and `storage` are left out.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { typedCommand } from "./provenance.ts";
 *
 * const flags = { path: "a b.csv", labelAtLeast: 4, shuffle: false, set: ["gateway.port=0"] };
 * assert.equal(
 *   typedCommand("train", flags),
 *   "cairn train --path 'a b.csv' --label-at-least 4 --no-shuffle",
 * );
 * ```
 */
export function typedCommand(command: string, flags: object): string {
  const words = Object.entries(flags).filter(([name]) => !OMITTED.includes(name))
    .flatMap(([name, value]) => optionWords(name, value));
  return ["cairn", command, ...words].join(" ");
}

function optionWords(name: string, value: unknown): string[] {
  const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (value === undefined) return [];
  if (name === "set") {
    return (value as readonly string[]).filter((text) => !SECRET_SECTIONS.test(text))
      .flatMap((text) => ["--set", quoted(text)]);
  }
  if (typeof value === "boolean") return [value ? `--${flag}` : `--no-${flag}`];
  return [`--${flag}`, quoted(Array.isArray(value) ? value.join(",") : String(value))];
}

function quoted(text: string): string {
  return /^[\w./:=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Version, machine and time of the run, as a sentence. */
export function machineNote(nowMs = Date.now()): string {
  const cores = navigator.hardwareConcurrency;
  return `Cairn ${metadata.version} on ${cores} core${cores === 1 ? "" : "s"} of a machine with ` +
    `${Deno.build.os} ${Deno.build.arch}, ${new Date(nowMs).toISOString().slice(0, 16)}Z.`;
}
