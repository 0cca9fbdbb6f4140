import { ChannelLink } from "../../../../mesh/adapters/tcp/channel_link.ts";
import { connectionLimits } from "./connection_limits.ts";
import { relay } from "../../../../mesh/adapters/tcp/relay.ts";
import { RelayedLink } from "../../../../mesh/adapters/tcp/relayed_link.ts";
import type { Link } from "../../../../mesh/ports/transport.ts";
import { linkContract } from "../../../contracts/link_contract.ts";
import { clock, type HostUnderTest, linkedHosts, messagesOf, until } from "./two_hosts.ts";

function contractOver(name: string, linkOf: (host: HostUnderTest) => Link): void {
  linkContract(name, async () => {
    const { a, b } = await linkedHosts();
    return {
      left: linkOf(a),
      right: linkOf(b),
      until,
      endLeft: () => void a.links.close(),
      dispose: async () => {
        await Promise.all([a.links.close(), b.links.close()]);
      },
    };
  });
}

contractOver(
  "TCP",
  (host) => new ChannelLink(messagesOf(host).channel, connectionLimits.frameBytesMax),
);

contractOver("TCP from another thread", (host) => {
  const { port1, port2 } = new MessageChannel();
  relay(messagesOf(host).channel, port1, clock);
  return new RelayedLink(port2, connectionLimits);
});
