import assert from "node:assert/strict";
import { secretFingerprints } from "../../../server/machine/secret_fingerprints.ts";

Deno.test("a fingerprint tells of a secret and a mesh, and of nothing else", () => {
  const id = "shop";
  const [first, second, ...none] = secretFingerprints({ id, secrets: ["one secret", "another"] });
  assert.deepEqual(none, []);
  assert.match(first, /^[0-9a-f]{64}$/);
  assert.notEqual(first, second);
  assert.deepEqual(secretFingerprints({ id, secrets: ["another"] }), [second], "on every host");
  assert.notDeepEqual(secretFingerprints({ id: "staging", secrets: ["another"] }), [second]);
  assert.deepEqual(secretFingerprints({ id, secrets: [] }), []);
});
