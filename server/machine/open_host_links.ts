/**
 * Links the nodes of a host with the nodes of the other hosts of its mesh.
 */
import type { CairnConfiguration, HostOptions } from "../../configuration/configuration.ts";
import { ChannelLink } from "../../mesh/adapters/tcp/channel_link.ts";
import { HostLinks, type OpenedChannel } from "../../mesh/adapters/tcp/host_links.ts";
import { PROTOCOLS } from "../../mesh/adapters/tcp/host_identity.ts";
import type { Network } from "../../mesh/adapters/tcp/network.ts";
import type { Node } from "../../mesh/runtime/node.ts";
import { NodeLink } from "../../mesh/runtime/node_link.ts";
import { present } from "../../structures/invariant.ts";
import type { NodesRequest } from "../environment.ts";
import { linkDigests } from "./configuration_digests.ts";

export interface HostToLink extends Pick<NodesRequest, "nodes" | "mesh"> {
  readonly configuration: CairnConfiguration;
  readonly host: HostOptions;
  /** The node of this thread. */
  readonly home: Node;
  readonly network: Network;
  /** Takes the channels of the other nodes of this host. */
  readonly onWorkerChannel: (opened: OpenedChannel) => void;
}

/**
 * Listens and connects; links come and go afterwards.
 *
 * @throws {Error} The host's address cannot be listened on.
 */
export function openHostLinks(
  { configuration, host, home, nodes, network, onWorkerChannel, ...stored }: HostToLink,
): HostLinks {
  const mesh = present(configuration.mesh, "a host belongs to a mesh");
  const { clock, random, telemetry } = home;
  const { id, secrets, hosts, heartbeatMs, silenceMs, frameBytesMax, windowBytes } = mesh;
  const onChannel = (opened: OpenedChannel) => {
    const { node, peer, purpose, channel } = opened;
    if (node !== home.name) return onWorkerChannel(opened);
    const link = new ChannelLink(channel, frameBytesMax);
    new NodeLink(home, peer, link, { isBulk: purpose === "bulk" });
  };
  return HostLinks.open({
    own: {
      mesh: id,
      host: host.name,
      incarnation: random.uuid("host/incarnation"),
      protocols: PROTOCOLS,
      configuration: linkDigests(configuration, stored.mesh),
      nodes: [home.name, ...nodes.map(({ name }) => name)],
    },
    address: host.listen,
    peers: new Map(
      hosts.filter(({ name }) => name !== host.name).map(({ name, address }) => [name, address]),
    ),
    secrets,
    limits: { heartbeatMs, silenceMs, frameBytesMax, windowBytes },
    network,
    clock,
    random: random.stream("host/backoff"),
    telemetry,
    onChannel,
  });
}
