import assert from "node:assert/strict";
import { Audience, demoAudience } from "../../../cli/demo/audience.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";

/** Click-through of `shown` products a page, in the given order, over some visits. */
function clickThrough(audience: Audience, visits: number, order: "ideal" | "random"): number {
  let [clicks, shown] = [0, 0];
  for (let visit = 0; visit < visits; visit++) {
    const view = audience.nextPageView();
    const ordered = order === "ideal" ? audience.idealOrder(view) : view.candidates;
    const page = ordered.slice(0, audience.options.shown);
    clicks += audience.click(view.shopper, page).filter(Boolean).length;
    shown += page.length;
  }
  return clicks / shown;
}

Deno.test("the same seed gives the same audience, another seed another one", () => {
  const views = (seed: number) => {
    const audience = new Audience(demoAudience, new SeededRandom(seed));
    return [audience.nextPageView(), audience.products[7], audience.shoppers[7]];
  };
  assert.deepEqual(views(1), views(1));
  assert.notDeepEqual(views(1), views(2));
});

Deno.test("who knows the tastes gets several times the clicks of a random order", () => {
  const audience = new Audience(demoAudience, new SeededRandom(3));
  const random = clickThrough(audience, 2000, "random");
  const ideal = clickThrough(audience, 2000, "ideal");
  assert.ok(random > 0.04 && random < 0.2, `random order: ${random}`);
  assert.ok(ideal > 2 * random, `ideal order ${ideal}, random order ${random}`);
});

Deno.test("tastes drift with time and stay as they are without it", () => {
  const audience = new Audience(demoAudience, new SeededRandom(3));
  const appeals = () =>
    audience.shoppers.flatMap((_, shopper) =>
      [0, 1, 2, 3].map((product) => audience.appeal(shopper, product))
    );
  const before = appeals();
  audience.advance(0);
  assert.deepEqual(appeals(), before);
  audience.advance(60);
  assert.ok(audience.drifts >= 6, `only ${audience.drifts} exchanges in a minute`);
  assert.notDeepEqual(appeals(), before);
});

Deno.test("a page offers distinct products", () => {
  const audience = new Audience(demoAudience, new SeededRandom(3));
  const { candidates } = audience.nextPageView();
  assert.equal(new Set(candidates).size, demoAudience.candidates);
});
