import assert from "node:assert/strict";
import { z } from "zod";
import { withoutDefaults } from "../../configuration/without_defaults.ts";

const tower = z.strictObject({ hidden: z.array(z.int()).default([64, 32]), dropout: z.number() });
const schema = z.strictObject({
  tower: tower.prefault({ dropout: 0 }),
  towers: z.array(tower).default([]),
  byName: z.record(z.string(), tower).default({}),
  size: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("fixed"), rows: z.int().default(8) }),
    z.strictObject({ kind: z.literal("growing"), share: z.number().default(0.5) }),
  ]).default({ kind: "fixed", rows: 8 }),
  note: z.string().optional(),
});
const rest = (value: z.input<typeof schema>) => withoutDefaults(schema, schema.parse(value));

Deno.test("defaults are left out of objects, arrays, records and unions", () => {
  const [spelt, short] = [{ hidden: [64, 32], dropout: 0.1 }, { dropout: 0.1 }];
  for (const each of [spelt, short]) {
    assert.deepEqual(rest({ tower: each, towers: [each], byName: { a: each } }), {
      tower: short,
      towers: [short],
      byName: { a: short },
    });
  }
  assert.deepEqual(rest({ size: { kind: "growing", share: 0.5 } }), { size: { kind: "growing" } });
  assert.deepEqual(rest({ size: { kind: "fixed", rows: 8 }, tower: { dropout: 0 } }), {});
  assert.deepEqual(rest({ size: { kind: "fixed", rows: 9 } }), {
    size: { kind: "fixed", rows: 9 },
  });
});

Deno.test("the order in which fields are written does not count, and that of arrays does", () => {
  const [a, b] = [{ dropout: 0.1, hidden: [1] }, { hidden: [1], dropout: 0.1 }];
  const text = (value: z.input<typeof schema>) => JSON.stringify(rest(value));
  assert.equal(text({ byName: { a, b } }), text({ byName: { b: a, a: b } }));
  assert.notEqual(text({ towers: [a, { dropout: 0 }] }), text({ towers: [{ dropout: 0 }, a] }));
});

Deno.test("builds with another default agree only where the file has the value", () => {
  /** The section in a build, with its default of a field of an object that has a default too. */
  const build = (rate: z.ZodDefault<z.ZodNumber>) =>
    z.strictObject({
      optimizer: z.strictObject({ rate, clip: z.number().default(0) }).prefault({}),
    });
  const before = build(z.number().default(1));
  const after = build(z.number().default(2).meta({ firstDefault: 1 }));
  const isSame = (value: z.input<typeof before>) =>
    JSON.stringify(withoutDefaults(before, before.parse(value))) ===
      JSON.stringify(withoutDefaults(after, after.parse(value)));
  for (const rate of [1, 2, 3]) assert.ok(isSame({ optimizer: { rate } }), `${rate} is written`);
  assert.ok(!isSame({}));
  assert.ok(!isSame({ optimizer: { clip: 0.5 } }));
});

Deno.test("a field that gets or loses its default differs only where the file leaves it out", () => {
  const build = (rate: z.ZodType) => z.strictObject({ rate, clip: z.number().default(0) });
  const optional = build(z.number().optional());
  const required = build(z.number());
  const one = build(z.number().default(1));
  const changes = [
    [optional, build(z.number().default(1).meta({ firstDefault: null }))],
    [one, build(z.number().optional().meta({ firstDefault: 1 }))],
  ] as const;
  const textOf = (schema: z.ZodType, value: object) =>
    JSON.stringify(withoutDefaults(schema, schema.parse(value)));
  for (const [before, after] of changes) {
    for (const rate of [1, 2]) assert.equal(textOf(before, { rate }), textOf(after, { rate }));
    assert.notEqual(textOf(before, {}), textOf(after, {}));
  }
  const [, withNone] = changes[0];
  for (const rate of [1, 2]) assert.equal(textOf(required, { rate }), textOf(withNone, { rate }));
});

Deno.test("a kind of schema whose defaults it does not know is an error", () => {
  const inner = z.strictObject({ a: z.number().default(1) });
  const kinds: z.ZodType[] = [z.tuple([inner]), inner.nullable(), z.union([inner, z.number()])];
  const values = [[{ a: 1 }], { a: 1 }, { a: 1 }];
  kinds.forEach((kind, i) => {
    assert.throws(() => withoutDefaults(kind, values[i]), /cannot be left out/);
  });
});
