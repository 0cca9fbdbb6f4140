/**
 * Passes the encoded values of a node in another thread between its port and a channel, in the
 * thread that owns the socket. See relayed_link.ts for the other end of the port.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Channel } from "./channel.ts";
import { byteLengthOf } from "./encoded_value.ts";
import { buffersOf, type FromSocket, type ToSocket } from "./relayed_link.ts";

/** Bytes that are reported together as written. */
const REPORT_BYTES = 2 ** 20;
/** Pause before a congested connection is looked at again, ms. */
const CONGESTED_POLL_MS = 10;

/** Connects a channel with the port of a node in another thread, until one of them closes. */
export function relay(channel: Channel, port: MessagePort, clock: Clock): void {
  const post = (message: FromSocket, transfer: Transferable[] = []) =>
    port.postMessage(message, transfer);
  let unreported = 0;
  let timer: Timer | undefined;
  const report = () => {
    timer = undefined;
    if (channel.isCongested) {
      timer = clock.schedule(CONGESTED_POLL_MS, report);
      return;
    }
    if (unreported > 0) post({ kind: "written", bytes: unreported });
    unreported = 0;
  };
  const end = () => {
    timer?.cancel();
    timer = undefined;
    port.close();
  };
  port.onmessage = ({ data }) => {
    const message = data as ToSocket;
    switch (message.kind) {
      case "value":
        unreported += byteLengthOf(message.value);
        channel.send(message.value);
        if (unreported >= REPORT_BYTES && timer === undefined) report();
        return;
      case "close":
        channel.close();
        if (message.reason !== undefined) channel.reject(new Error(message.reason));
        return end();
      default:
        message satisfies never;
    }
  };
  channel.onValue((value) => post({ kind: "value", value }, buffersOf(value)));
  channel.onClosed((cause) => {
    post({ kind: "closed", reason: cause.message });
    end();
  });
}
