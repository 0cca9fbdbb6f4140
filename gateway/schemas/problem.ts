/**
 * The shape of every answer that says no.
 */
import { z } from "zod";
import { namedSchemas } from "./registry.ts";

export const problemSchema = z.looseObject({
  type: z.string().meta({
    description: "Stable; also the path of a page on this server that explains it.",
    examples: ["/problems/invalid-request"],
  }),
  title: z.string(),
  status: z.int(),
  detail: z.string().meta({ description: "The case at hand: action, cause, current value." }),
  errors: z.array(z.strictObject({
    pointer: z.string().meta({
      description: "RFC 6901 JSON pointer as a URI fragment.",
      examples: ["#/candidates/3/id"],
    }),
    detail: z.string().meta({ description: "What is there and what to send instead." }),
  })).optional(),
  traceId: z.string().optional().meta({
    description: "The trace under which the server logged it.",
  }),
}).meta({ description: "RFC 9457 problem details." }).register(namedSchemas, { id: "Problem" });
