import assert from "node:assert/strict";
import { isSelfEvident, parseFindings } from "../../scripts/check_docs.ts";

const output = `error[missing-jsdoc]: exported symbol is missing JSDoc documentation
  --> /project/actors/trainer/protocol.ts:10:12
   | 
10 |   readonly rows: number;
   |            ^


error[missing-jsdoc]: exported symbol is missing JSDoc documentation
  --> /project/mesh/ports/clock.ts:7:3
   | 
7 |   cancel(): void;
   |   ^


error[private-type-ref]: public type 'Lookup["ids"]' references private type 'FeatureIds'
  --> /project/actors/x/protocol.ts:9:3
   | 
9 |   readonly ids: FeatureIds;
   |   ^
   = hint: make the referenced type public or remove the reference


error: Found 3 documentation lint errors.
`;

Deno.test("every finding of the linter's output is parsed", () => {
  assert.deepEqual(
    parseFindings(output).map((
      { code, path, line, sourceLine },
    ) => [code, path, line, sourceLine.trim()]),
    [
      ["missing-jsdoc", "/project/actors/trainer/protocol.ts", 10, "readonly rows: number;"],
      ["missing-jsdoc", "/project/mesh/ports/clock.ts", 7, "cancel(): void;"],
      ["private-type-ref", "/project/actors/x/protocol.ts", 9, "readonly ids: FeatureIds;"],
    ],
  );
});

Deno.test("only a plain data field needs no docstring", () => {
  assert.deepEqual(parseFindings(output).map(isSelfEvident), [true, false, false]);
  const finding = (sourceLine: string) => ({
    code: "missing-jsdoc",
    message: "",
    path: "",
    line: 1,
    sourceLine,
  });
  for (
    const line of [
      "  readonly rows: number;",
      "  readonly value?: number;",
      '  override readonly name = "X";',
    ]
  ) {
    assert.ok(isSelfEvident(finding(line)), line);
  }
  for (
    const line of [
      "  nowMs(): number;",
      "  readonly then: () => void;",
      "export interface Clock {",
      "export class Clock {",
      "export function now(): number {",
      "export type Attributes = string;",
    ]
  ) assert.ok(!isSelfEvident(finding(line)), line);
});
