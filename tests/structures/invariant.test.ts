import assert from "node:assert/strict";
import { invariant, InvariantError, present } from "../../structures/invariant.ts";

Deno.test("a promise that holds passes, and the compiler knows it afterwards", () => {
  const found: number | undefined = [1].at(0);
  invariant(found !== undefined, "there is an entry");
  assert.equal(found.toFixed(1), "1.0");
});

Deno.test("a broken promise throws with its sentence", () => {
  assert.throws(() => invariant(false, "offsets ascend"), {
    name: "InvariantError",
    message: "Broken invariant: offsets ascend",
  });
});

Deno.test("a value that must be there is given back, also where it is falsy", () => {
  assert.equal(present(0, "a count"), 0);
  assert.equal(present("", "a name"), "");
  assert.equal(present(false, "a flag"), false);
  assert.throws(() => present(undefined, "a row"), InvariantError);
  assert.throws(() => present(null, "a row"), InvariantError);
});
