/** The name that was probably meant by an unknown one. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { meantName, misspeltName } from "../../structures/nearest_name.ts";

const EVENT_FIELDS = ["eventId", "rankingId", "user", "item", "action", "value", "timestamp"];

Deno.test("a misspelt name is the known one with the fewest changes", () => {
  assert.equal(misspeltName("batch_rows", ["linger", "batchRows"]), "batchRows");
  assert.equal(misspeltName("Lingre", ["linger", "batchRows"]), "linger");
  assert.equal(misspeltName("filtre", ["filler", "filter"]), "filter");
  assert.equal(misspeltName("colour", ["size", "price"]), undefined);
});

Deno.test("short names are not near to each other by chance", () => {
  assert.equal(misspeltName("time", ["item", "user"]), undefined);
  assert.equal(misspeltName("id", ["is", "user"]), undefined);
  assert.equal(misspeltName("ID", ["id"]), "id");
});

Deno.test("the words of other systems lead to the names of this one", () => {
  const meant = ["itemId", "ranking", "userId", "time", "event", "type"].map((name) =>
    meantName(name, EVENT_FIELDS)
  );
  assert.deepEqual(meant, ["item", "rankingId", "user", "timestamp", "eventId", undefined]);
  assert.equal(meantName("within", ["what", "withinSeconds"]), "withinSeconds");
});

Deno.test("a known name is its own nearest one, and a result is always known", () => {
  const name = fc.stringMatching(/^\w*[a-z]\w*$/, { maxLength: 20 });
  fc.assert(fc.property(name, fc.array(name), (wanted, known) => {
    const meant = meantName(wanted, known);
    assert.ok(meant === undefined || known.includes(meant));
    if (known.includes(wanted)) assert.notEqual(meant, undefined);
  }));
});

Deno.test("a name of a megabyte is not compared", () => {
  assert.equal(meantName("x".repeat(1_000_000), ["xxx"]), undefined);
});
