/**
 * W3C Trace Context: continues the caller's trace or begins one, and answers with a span of its
 * own. A problem's `traceId` then finds both the caller's trace and the lines of the server's log.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
import type { Random, RandomStream } from "../../mesh/ports/random.ts";
import type { GatewayContext } from "../endpoint.ts";

const traceparentPattern =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-|$)/;

/** @returns Sets the request's trace id and returns the `traceparent` of its answer. */
export function traceContext(random: Random): (context: GatewayContext) => string {
  const stream = random.stream("gateway/trace");
  return (context) => {
    const incoming = context.req.raw.headers.get("traceparent");
    const match = incoming === null ? null : traceparentPattern.exec(incoming);
    const traceId = match?.[1] ??
      hexWord(stream) + hexWord(stream) + hexWord(stream) + hexWord(stream);
    context.set("traceId", traceId);
    const spanId = hexWord(stream) + hexWord(stream);
    return `00-${traceId}-${spanId}-${match?.[2] ?? "00"}`;
  };
}

/** 8 hex digits. An id of zeros alone, which is invalid, has probability 2^-64. */
function hexWord(stream: RandomStream): string {
  return stream.nextUint32().toString(16).padStart(8, "0");
}
