import assert from "node:assert/strict";
import { strayPayloads } from "../../scripts/payload_owners.ts";

const shard = `
/** Not an answer: {@link Base}. Request<Base> */
export interface Begin extends Request<Opened | undefined> {
  readonly kind: "begin";
  readonly base: Base;
  readonly opening: Opening;
}
export interface Base {
  readonly names: readonly Name[];
}
export type Name = string;
export interface Opened {
  readonly opening: Opening;
}
export interface Opening {
  readonly epoch: number;
}
export class RefusedError extends Error {}
export type ShardMessage = Begin;
`;

/** The findings where the snapshotter imports these names from the protocol of the shard. */
function findings(names: string, path = "actors/snapshotter/chains.ts"): string[] {
  const source = `/** Chains. */\nimport type { ${names} } from "../shard/protocol.ts";\n`;
  return strayPayloads(new Map([["actors/shard/protocol.ts", shard], [path, source]]));
}

Deno.test("a payload that an actor imports from its receiver is found, with its line", () => {
  assert.deepEqual(findings("Base"), [
    "actors/snapshotter/chains.ts:2 imports Base from the protocol of shard, which receives it " +
    "and never answers with it; declare it in actors/snapshotter/protocol.ts or in records/",
  ]);
});

Deno.test("a part of a payload is found, under its own name too", () => {
  assert.equal(findings("Name as ItemName, Base").length, 2);
});

Deno.test("messages, errors and types of answers may be imported", () => {
  assert.deepEqual(findings("ShardMessage, Begin, RefusedError, Opened, Opening"), []);
});

Deno.test("an actor imports its own protocol freely", () => {
  const path = "actors/shard/rows.ts";
  const source = `import type { Base } from "./protocol.ts";\n`;
  assert.deepEqual(
    strayPayloads(new Map([["actors/shard/protocol.ts", shard], [path, source]])),
    [],
  );
});

Deno.test("a payload that its maker declares may be imported by the receiver", () => {
  const catalogue = `
export interface Item {
  readonly id: string;
}
export interface Carry {
  readonly kind: "carry";
}
`;
  const retriever = `import type { Item } from "../catalogue/protocol.ts";
export interface Put extends Request<void> {
  readonly kind: "put";
  readonly items: readonly Item[];
}
`;
  const sources = new Map([
    ["actors/catalogue/protocol.ts", catalogue],
    ["actors/retriever/protocol.ts", retriever],
  ]);
  assert.deepEqual(strayPayloads(sources), []);
});
