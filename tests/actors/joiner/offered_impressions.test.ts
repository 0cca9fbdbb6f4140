/** The numbers of carried impressions, of which the joiner's position is one. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { numberAmong, OfferedImpressions } from "../../../actors/joiner/offered_impressions.ts";

Deno.test("impressions are numbered by their time, then partition, then offset", () => {
  const partition = fc.array(fc.nat(5), { maxLength: 8 });
  fc.assert(fc.property(fc.array(partition, { maxLength: 4 }), (gaps) => {
    const all = gaps.map(() => new OfferedImpressions());
    const added = gaps.flatMap((own, i) => {
      let openedAtMs = 0;
      return own.map((gap, at) => {
        openedAtMs += gap;
        // Offsets with gaps, from below 0: other records lie between.
        const offset = 3 * at - 6;
        all[i].add(offset, openedAtMs);
        return { partition: i, offset, openedAtMs };
      });
    });
    const inOrder = added.toSorted((a, b) =>
      a.openedAtMs - b.openedAtMs || a.partition - b.partition || a.offset - b.offset
    );
    inOrder.forEach((each, number) => assert.equal(numberAmong(all, each.partition, each), number));
  }));
});
