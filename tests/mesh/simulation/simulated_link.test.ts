import { createSimulatedLinkPair } from "../../../mesh/simulation/simulated_link.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { linkContract } from "../../contracts/link_contract.ts";

linkContract("simulated", () => {
  const clock = new VirtualClock();
  const { left, right } = createSimulatedLinkPair(clock, 1);
  return Promise.resolve({
    left,
    right,
    until: (condition) => clock.advanceUntil(condition, 1_000),
    endLeft: () => left.close(),
    dispose: () => Promise.resolve(),
  });
});
