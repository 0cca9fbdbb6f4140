/**
 * A simulated Redis, and what it has told of, for tests.
 */
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { KeyedHash } from "../../../simulation/keyed_hash.ts";
import { RedisLink } from "../../../simulation/mesh/redis_link.ts";
import { SimulatedEventLog } from "../../../simulation/mesh/simulated_event_log.ts";
import { SimulatedRecordStore } from "../../../simulation/mesh/simulated_record_store.ts";
import { SimulatedRedis } from "../../../simulation/mesh/simulated_redis.ts";
import { NodeClock } from "../../../simulation/world/node_clock.ts";

export class Server {
  readonly clock = new VirtualClock();
  readonly lost: string[] = [];
  /** Begins of logs whose trims were lost. */
  readonly begins: string[] = [];
  /** Placements whose changes the server has told of. */
  readonly placed: string[] = [];
  readonly redis: SimulatedRedis;
  isCut = false;
  losesAnswers = false;
  #links = 0;

  constructor(idsRetainedMs?: number) {
    this.redis = new SimulatedRedis({
      clock: this.clock,
      observer: {
        appended: () => {},
        trimmed: () => {},
        tailLost: (log, partition, end) => void this.lost.push(`${log}/${partition} ${end}`),
        trimLost: (log, partition, first) => void this.begins.push(`${log}/${partition} ${first}`),
      },
      onPlaced: (key, _before, { state }) => void this.placed.push(`${key} ${state}`),
      idsRetainedMs,
    });
  }

  link(deadlineMs = 100): RedisLink {
    return new RedisLink({
      server: this.redis,
      base: this.clock,
      clock: new NodeClock(this.clock, () => {}),
      latency: new KeyedHash(1, `link/${this.#links++}`),
      latencyMs: 0.2,
      syncMs: 1,
      extraMs: () => 0,
      isCut: () => this.isCut,
      losesAnswers: () => this.losesAnswers,
      deadlineMs,
    });
  }

  open(writer = `writer-${this.#links}`, options = {}): Promise<SimulatedEventLog> {
    return SimulatedEventLog.open({
      link: this.link(),
      name: "events",
      partitions: 2,
      bytesMax: 2 ** 30,
      writer,
      ...options,
    });
  }

  mesh(): Coordinator {
    return new Coordinator({
      store: new SimulatedRecordStore(this.link()),
      random: new SeededRandom(1),
      hostTtlMs: 3_000,
      controlTtlMs: 3_000,
    });
  }
}
