import { PortLink } from "../../../../mesh/adapters/deno/port_link.ts";
import { linkContract } from "../../../contracts/link_contract.ts";
import { until } from "../tcp/two_hosts.ts";

linkContract("message port", () => {
  const { port1, port2 } = new MessageChannel();
  const [left, right] = [new PortLink(port1), new PortLink(port2)];
  return Promise.resolve({
    left,
    right,
    until,
    endLeft: () => left.close(),
    dispose() {
      left.close();
      right.close();
      return Promise.resolve();
    },
  });
});
