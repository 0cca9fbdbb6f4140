/**
 * Finds the erasures of gateways whose hosts are gone, so that another gateway takes them over.
 *
 * Several gateways may take the same erasure over, and its host may come back meanwhile. They need
 * not agree: of several erasures of one user the last one in the log continues all of them.
 */
import { type ErasureRequest, listErasures, readErasureRequest } from "../../records/erasure.ts";
import type { ErasureParts } from "./erasure_parts.ts";

/** Interval at which other gateways' erasures are looked for, ms. */
const LOOK_MS = 10_000;
/** A host that has been away for so long is taken for gone: a restart takes less, ms. */
const GONE_MS = 20_000;

export class AbandonedErasures {
  readonly #parts: ErasureParts;
  /** Ids of the complete erasures whose receipts were found at the last look. */
  #complete = new Set<string>();
  /**
   * By host, the monotonic time since which it is away, ms. "" = the only process, from before the
   * mesh had several.
   */
  readonly #awaySinceMs = new Map<string, number>();
  #looksFromMs = 0;

  constructor(parts: ErasureParts) {
    this.#parts = parts;
  }

  /** The unfinished erasures that other gateways go on with. */
  async others(): Promise<ErasureRequest[]> {
    const { blobs, host } = this.#parts;
    const unfinished: ErasureRequest[] = [];
    const known = this.#complete;
    const complete = new Set<string>();
    for (const erasureId of await listErasures(blobs)) {
      if (known.has(erasureId)) {
        complete.add(erasureId);
        continue;
      }
      const request = await readErasureRequest(blobs, erasureId);
      if (request?.completedAtMs !== undefined) complete.add(erasureId);
      else if (request !== undefined && request.host !== host) unfinished.push(request);
    }
    // Only after a whole look: receipts that an operator has deleted are forgotten.
    this.#complete = complete;
    return unfinished;
  }

  /** Finds the erasures to take over; undefined where it does not look yet. */
  async look(): Promise<ErasureRequest[] | undefined> {
    const { clock, hostsServing, host } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (hostsServing === undefined || nowMs < this.#looksFromMs) return undefined;
    this.#looksFromMs = nowMs + LOOK_MS;
    const serving = [...await hostsServing()].sort();
    for (const name of serving) this.#awaySinceMs.delete(name);
    const gone = (await this.others()).filter(({ host: name = "" }) => {
      if (serving.includes(name)) return false;
      const sinceMs = this.#awaySinceMs.get(name) ?? nowMs;
      this.#awaySinceMs.set(name, sinceMs);
      return nowMs - sinceMs >= GONE_MS;
    });
    return serving[0] === host ? gone : [];
  }
}
