/**
 * Wrong requests with their expected answers. Sent to a gateway on doubles (bad_input.test.ts) and
 * to a real mesh (tests/integration/bad_input.test.ts).
 */
import type { BadInput } from "./bad_input/bad_input.ts";
import { bodies } from "./bad_input/bodies.ts";
import { events } from "./bad_input/events.ts";
import { pathsAndKeys } from "./bad_input/paths_and_keys.ts";
import { profiles } from "./bad_input/profiles.ts";
import { rankFields } from "./bad_input/rank_fields.ts";
import { recommend } from "./bad_input/recommend.ts";
import { rules } from "./bad_input/rules.ts";
import { shown } from "./bad_input/shown.ts";
import { timestamps } from "./bad_input/timestamps.ts";

export { goodEvent, goodRank, requestOf } from "./bad_input/bad_input.ts";

export const badInputs: readonly BadInput[] = [
  ...bodies,
  ...rankFields,
  ...rules,
  ...recommend,
  ...timestamps,
  ...events,
  ...shown,
  ...profiles,
  ...pathsAndKeys,
];
