/**
 * The text of a command's failure.
 */
import assert from "node:assert/strict";
import { CommandError, describeError, exitCodes } from "../../cli/errors.ts";

Deno.test("an error is told with its causes, and a cause with the same words once", () => {
  const cause = new Error("shards.count is 0");
  const twice = new CommandError("shards.count is 0", exitCodes.failed, cause);
  assert.equal(describeError(twice, false), "shards.count is 0");
  const outer = new CommandError("Nothing is applied.", exitCodes.failed, cause);
  assert.equal(
    describeError(outer, false),
    "Nothing is applied.\n  because: shards.count is 0",
  );
});
