/** Notes on attributes that no feature reads, and examples made of those that features read. */
import assert from "node:assert/strict";
import { bundledFile } from "../../../cli/options.ts";
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { knownAttributes } from "../../../server/known_attributes.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import { profilesAnswerSchema, storedProfileSchema } from "../../../gateway/schemas/profiles.ts";
import { rankingSchema } from "../../../gateway/schemas/rank.ts";
import { gatewayFixture, json } from "../fixture.ts";

const attributes = {
  user: {},
  item: { year: "year-1", genres: ["genres-1", "genres-2"] },
  context: { device: "device-1" },
};

Deno.test("an attribute that no feature reads is noted once for all candidates", async () => {
  const { post } = gatewayFixture({ attributes });
  const fields = { yaer: "1995", genres: ["Crime"] };
  const ranking = await json(post("/v1/rank", {
    user: "ann",
    context: { device: "phone" },
    userFields: { age: 7 },
    candidates: [{ id: "heat", fields }, { id: "up", fields }],
  }));
  assert.equal(
    ranking.note,
    'No feature reads "age" of userFields (nothing is read there); ' +
      'nor "yaer" of candidates/0/fields (read there: year, genres).',
  );
  assert.ok(rankingSchema.safeParse(ranking).success);
});

Deno.test("no note is given on attributes that features read, or where the attributes are not known", async () => {
  const request = { user: "ann", candidates: [{ id: "up", fields: { year: "2009" } }] };
  for (const fixture of [gatewayFixture({ attributes }), gatewayFixture()]) {
    assert.ok(!("note" in await json(fixture.post("/v1/rank", request))));
  }
});

Deno.test("an attribute that no feature reads is noted when it is stored, once for a list", async () => {
  const { post, app } = gatewayFixture({ attributes });
  const put = (body: unknown) =>
    app.request("/v1/items/up", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const note = 'No feature reads "yaer" of attributes (read there: year, genres).';
  const misspelt = { yaer: "1999", genres: ["Crime"] };
  const stored = await json(put({ attributes: misspelt }));
  assert.equal(stored.note, note);
  assert.ok(storedProfileSchema.safeParse(stored).success);
  assert.ok(!("note" in await json(app.request("/v1/items/up"))));
  assert.ok(!("note" in await json(put({ attributes: { year: "2009" } }))));

  const list = await json(post("/v1/items", [
    { id: "a", attributes: misspelt },
    { id: "b", attributes: misspelt },
    { id: "c", attributes: { year: {}, rejected: 1 } },
  ]));
  assert.deepEqual([list.stored, list.note], [2, note]);
  assert.ok(profilesAnswerSchema.safeParse(list).success);
  const many = Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`x${i}`, 1]));
  const users = await json(post("/v1/users", [{ id: "a", attributes: many }]));
  assert.match(users.note, /"x19" and 5 more of attributes \(nothing is read there\)/);
  const withoutKnowledge = gatewayFixture();
  assert.ok(
    !("note" in await json(withoutKnowledge.post("/v1/items", [{ id: "a", attributes: many }]))),
  );
});

Deno.test("the API page's examples use attributes that the configured features read, and are accepted", async () => {
  for (const example of ["examples/movies.yaml", "examples/demo.yaml"]) {
    const { schema } = (await loadConfiguration(bundledFile(example))).features;
    const { app, post } = gatewayFixture({
      attributes: knownAttributes(schema, { item: {}, user: {}, context: {} }),
    });
    const { paths } = await json(app.request("/openapi.json"));
    const exampleOf = (path: string, method: string) =>
      paths[path][method].requestBody.content["application/json"].example;
    const request = exampleOf("/v1/rank", "post");
    assert.ok(Object.keys(request.candidates[1].fields).length > 0, example);
    assert.ok(!("note" in await json(post("/v1/rank", request))), example);
    assert.deepEqual(
      exampleOf("/v1/items/{id}", "put").attributes,
      request.candidates[1].fields,
    );
    new FeatureExtractor(schema, FeatureHasher.create()).extract({
      user: request.user,
      userAttributes: request.userFields ?? {},
      context: request.context ?? {},
      atMs: 0,
      items: [{ id: "item-2", fields: request.candidates[1].fields }],
    });
  }
});
