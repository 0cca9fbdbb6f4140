/**
 * The scenarios of one process in which served rows and stored items come and go.
 */
import { planOf } from "../../server/plan.ts";
import { chosen } from "../plan/draws.ts";
import type { Fault } from "../plan/fault.ts";
import { recommending } from "../plan/knobs.ts";
import { shardsOf, shop } from "./process_shop.ts";
import type { Scenario } from "./scenario.ts";

export const servingScenarios: readonly Scenario[] = [
  {
    ...shop,
    name: "ageing",
    description: "rows expire while items come and go, actors crash and replicas are filled late",
    families: ["actors", "links", "threads"],
    values: {
      "embeddings.expiry": "2s",
      "embeddings.evictionInterval": "100ms",
      placement: { kind: "workers", shardThreads: 1 },
    },
    // Late in a run, replicas are filled from a restarted shard, where their rows have expired.
    faults: (random, configuration, forMs) => {
      const replicas = planOf(configuration).filter(({ kind }) => kind === "serving_replica");
      return [4_500, 2_500].flatMap((beforeEndMs): Fault[] => {
        const atMs = forMs - beforeEndMs + Math.floor(random.nextFloat() * 500);
        return [
          {
            kind: "crashActor",
            atMs,
            actor: `embedding_shard/${chosen(random, shardsOf(configuration)).key}`,
          },
          { kind: "stallNode", atMs, node: replicas[0].node, forMs: 1_800 },
        ];
      });
    },
  },
  {
    ...shop,
    name: "recommendations",
    description:
      "stored items change and are recommended, while actors crash and messages are late",
    families: ["actors", "links"],
    values: recommending,
  },
];
