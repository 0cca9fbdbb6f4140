/**
 * Files with problems, each with the complete error message.
 */
import assert from "node:assert/strict";
import { type Host, parseConfiguration } from "../../configuration/configuration.ts";
import { ConfigurationError } from "../../configuration/problems.ts";

/** A valid start of a file, which cases add to. */
export const slots = "features: { slots: { user: { kind: id, source: user } } }";

/** The problems of a file, without its name. */
export function problemsOf(text: string, host?: Host): string[] {
  try {
    parseConfiguration(text, "c.yaml", host);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    const [headline, ...lines] = error.message.split("\n");
    assert.equal(lines.length, error.problems.length);
    assert.match(headline, /^Cannot use c\.yaml: \d+ problems?\.$/);
    return lines.map((line) => line.replace(/^c\.yaml:/, ""));
  }
  return [];
}

/** Tests that each file has one problem: name, text, message. */
export function testOneProblem(
  files: readonly (readonly [name: string, text: string, problem: string])[],
): void {
  for (const [name, text, problem] of files) {
    Deno.test(`${name} is reported as one problem with position and remedy`, () => {
      assert.deepEqual(problemsOf(text), [problem]);
    });
  }
}
