/**
 * The OpenAPI document passes Redocly's strict rules, and is valid against the OpenAPI 3.1 schema.
 */
import assert from "node:assert/strict";
import { createConfig, lintFromString } from "npm:@redocly/openapi-core@2.64.0";
import { gatewayFixture } from "./fixture.ts";

Deno.test("the OpenAPI document passes a strict linter without a finding", async () => {
  const source = await (await gatewayFixture().app.request("/openapi.json")).text();
  const config = await createConfig({ extends: ["recommended-strict"] });
  const findings = await lintFromString({ source, config });
  assert.deepEqual(
    findings.map(({ ruleId, message, location }) =>
      `${ruleId}: ${message} ${location[0]?.pointer}`
    ),
    [],
  );
});
