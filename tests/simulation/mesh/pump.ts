/**
 * Virtual time that passes by itself, for tests that await promises of a simulation.
 */
import type { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";

/** Lets virtual time pass until the returned function is called. */
export function pump(clock: VirtualClock): () => void {
  let ended = false;
  const turn = () => {
    if (!ended) clock.advance(1).then(turn);
  };
  turn();
  return () => void (ended = true);
}
