import assert from "node:assert/strict";
import { bundledFile } from "../../../cli/options.ts";
import { History } from "../../../offline/import/history.ts";
import { measureShop } from "../../../scripts/shop/measure_shop.ts";
import { shopVisits } from "../../../scripts/shop/shop_visits.ts";
import { shopHeader, smallShopLines } from "../../cli/import/small_shop.ts";

Deno.test("a shop that brings its history ranks better than one that starts empty", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const lines = smallShopLines({ invoices: 1_500 });
    const bad = "x,p1,thing,1,2024-01-01,1,";
    await Deno.writeTextFile(`${folder}/orders.csv`, [shopHeader, bad, ...lines].join("\n"));
    const figures = await measureShop({
      path: `${folder}/orders.csv`,
      config: bundledFile("examples/shop.yaml"),
      set: ["gateway.deadline=30s"],
      visitsMax: 150,
      tell: () => {},
    });
    assert.ok(figures.imported >= 0.6 * lines.length && figures.imported < 0.7 * lines.length);
    assert.equal(figures.refused, 1);
    assert.equal(figures.visits, 150);
    assert.ok(figures.seconds > 0 && figures.rankP99Ms > 0);
    assert.ok(figures.servedAucNoHistory > 0.5 && figures.recallAt20Popular > 0);
    assert.ok(figures.recallAt20 > 0 && figures.recommendP99Ms > 0);
    const gain = figures.servedAucWarm - figures.servedAucCold;
    assert.ok(gain > 0.05, `AUC ${figures.servedAucWarm} warm, ${figures.servedAucCold} cold`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a visit ranks 50 candidates, among them the items bought, once each", () => {
  const history = new History();
  for (let line = 0; line < 900; line++) {
    history.addEvent({
      user: `u${line % 7}`,
      item: `i${line % 80}`,
      action: "purchase",
      // A return is not bought.
      value: line % 10 === 0 ? -1 : 1,
      atMs: 1_000 * Math.floor(line / 15),
      visit: `v${Math.floor(line / 15)}-${line % 7}`,
      itemFields: { price: line % 80 },
    });
  }
  const visits = [...shopVisits(history, 30_000)];
  assert.ok(visits.length > 100);
  const told = new Set<string>();
  for (const { atMs, candidates, bought, profiles } of visits) {
    assert.ok(atMs >= 30_000);
    assert.equal(candidates.length, 50);
    assert.equal(new Set(candidates).size, 50);
    assert.ok(bought.size > 0 && bought.size <= 10);
    for (const item of bought.keys()) assert.ok(candidates.includes(item));
    for (const { kind, id } of profiles) told.add(`${kind} ${id}`);
    for (const item of bought.keys()) assert.ok(told.has(`item ${item}`), "its attributes came");
  }
  const orders = visits.flatMap(({ order }) => order ?? []);
  assert.ok(orders.length > 0 && orders.length <= visits.length);
  for (const { items, popular } of orders) {
    assert.ok(items.size > 0);
    assert.equal(popular.length, 20);
  }
  assert.deepEqual([...shopVisits(history, 30_000)], visits, "the same each time");
});
