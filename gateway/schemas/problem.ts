/**
 * Schema of a problem: the body of every answer with a status of 400 or above.
 */
import { z } from "zod";
import { namedSchemas } from "./registry.ts";

export const problemSchema = z.looseObject({
  type: z.string().meta({
    description: "Stable type; also the path of a page on this server that explains it.",
    examples: ["/problems/invalid-request"],
  }),
  title: z.string(),
  status: z.int(),
  detail: z.string().meta({ description: "This single case: action, cause, current value." }),
  errors: z.array(z.strictObject({
    pointer: z.string().meta({
      description: "RFC 6901 JSON pointer as a URI fragment.",
      examples: ["#/candidates/3/id"],
    }),
    detail: z.string().meta({ description: "The value found and the value to send instead." }),
  })).optional(),
  retryAfterSeconds: z.int().optional().meta({
    description: "Seconds after which to send the request, or the entry of a list, again: as the " +
      "header Retry-After. Absent where waiting does not help.",
  }),
  traceId: z.string().optional().meta({
    description: "Trace id of the request, also in the server's log.",
  }),
}).meta({ description: "RFC 9457 problem details." }).register(namedSchemas, { id: "Problem" });
