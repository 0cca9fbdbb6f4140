import assert from "node:assert/strict";
import { leaseEndText } from "../../server/lease_end_text.ts";

const meanwhile = (...roles: string[]) =>
  leaseEndText({ host: "a", roles }).replace(/^.*; until it is renewed, /, "");

Deno.test("the warning of a lease that has ended says what each role of the host does meanwhile", () => {
  assert.equal(
    meanwhile("trainer"),
    "its trainers stand still and publish no snapshot: no renewal has been answered.",
  );
  assert.equal(
    meanwhile("joiner", "shards"),
    "its shards go on and its joiners stand still: no renewal has been answered.",
  );
  assert.equal(meanwhile("serving"), "rankings go on: no renewal has been answered.");
});
