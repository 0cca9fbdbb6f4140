/**
 * `PUT`, `GET` and `DELETE /v1/items/{id}` and `/v1/users/{id}`: the stored attributes of one item
 * or user.
 */
import type { Profile, ProfileKind } from "../../mesh/ports/profile_store.ts";
import { requireFeatures } from "../attributes/attribute_types.ts";
import { noteOnProfiles } from "../attributes/known_attributes.ts";
import type { Endpoint, GatewayContext } from "../endpoint.ts";
import type { FailureLog } from "../failure_log.ts";
import { withinDeadline } from "../middleware/deadline.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { validate } from "../parsing/validation.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import {
  profilePathSchema,
  profileRequestSchema,
  profileSchema,
  storedProfileSchema,
} from "../schemas/profiles.ts";
import { profileListEndpoint } from "./profile_list.ts";
import { TextResponse } from "../text_response.ts";

export function profileEndpoints(parts: GatewayParts, failures: FailureLog): Endpoint[] {
  return (["item", "user"] as const).flatMap((kind) => [
    profileListEndpoint(kind, parts, failures),
    ...endpointsOf(kind, parts),
  ]);
}

function endpointsOf(kind: ProfileKind, parts: GatewayParts): Endpoint[] {
  const { clock, options, profiles } = parts;
  const body = new BodyReader(clock, options);
  const known = parts.attributes?.[kind];
  const Kind = kind === "item" ? "Item" : "User";

  async function put(context: GatewayContext): Promise<Response> {
    const id = idOf(context);
    const { attributes } = await body.read(context, profileRequestSchema);
    requireFeatures(parts, kind, attributes);
    const profile = await withinDeadline(
      context,
      clock,
      profiles.put(kind, id, attributes),
      `The profile store did not confirm ${kind} "${id}" in time, so whether it was written is unknown. ` +
        "Send it again: the last write counts.",
    );
    const note = known && noteOnProfiles([attributes], known);
    return TextResponse.json(
      { ...answerOf(profile), ...(note !== undefined && { note }) },
      profile.version === 1 ? 201 : 200,
    );
  }

  async function get(context: GatewayContext): Promise<Response> {
    const id = idOf(context);
    if (!profiles.isLocal) await profiles.load(kind, [id]);
    const profile = profiles.get(kind, id);
    if (profile === undefined) {
      throw new ProblemError(
        `unknown-${kind}`,
        `No attributes are stored for ${kind} "${id}". Store them with PUT /v1/${kind}s/{id}; ` +
          "rankings work without them.",
      );
    }
    return TextResponse.json(answerOf(profile));
  }

  async function remove(context: GatewayContext): Promise<Response> {
    const id = idOf(context);
    await withinDeadline(
      context,
      clock,
      profiles.delete(kind, id),
      `The profile store did not confirm in time, so whether ${kind} "${id}" was deleted is ` +
        "unknown. Send it again.",
    );
    return context.body(null, 204);
  }

  const shared = {
    path: `/v1/${kind}s/{id}`,
    tag: "Profiles",
    guarded: true,
    parameters: profilePathSchema,
  } as const;
  return [
    {
      ...shared,
      method: "put",
      operationId: `put${Kind}`,
      summary: `Store ${kind === "item" ? "an item's" : "a user's"} attributes`,
      description: "Replaces the attributes that were stored. The next ranking reads the new ones.",
      body: profileRequestSchema,
      ...(known && { example: { attributes: known } }),
      answers: {
        200: { description: "The attributes were replaced.", schema: storedProfileSchema },
        201: {
          description: "The attributes were stored for the first time.",
          schema: storedProfileSchema,
        },
      },
      problems: ["unavailable", "deadline-exceeded"],
      handle: put,
    },
    {
      ...shared,
      method: "get",
      operationId: `get${Kind}`,
      summary: `Read ${kind === "item" ? "an item's" : "a user's"} attributes`,
      answers: { 200: { description: "The stored attributes.", schema: profileSchema } },
      problems: [`unknown-${kind}`],
      handle: get,
    },
    {
      ...shared,
      method: "delete",
      operationId: `delete${Kind}`,
      summary: `Delete ${kind === "item" ? "an item's" : "a user's"} attributes`,
      description:
        "The next ranking no longer reads them. Deleting absent attributes is not an error.",
      answers: { 204: { description: "No attributes are stored." } },
      problems: ["unavailable", "deadline-exceeded"],
      handle: remove,
    },
  ];
}

/** The path's last part, decoded here because the router passes a wrong encoding on undecoded. */
function idOf(context: GatewayContext): string {
  const [path] = context.req.url.split(/[?#]/, 1);
  const encoded = path.slice(path.lastIndexOf("/") + 1);
  let id: string;
  try {
    id = decodeURIComponent(encoded);
  } catch {
    throw new ProblemError(
      "malformed-request",
      `Cannot read the id "${encoded}": it is not percent-encoded UTF-8. ` +
        "Encode it as encodeURIComponent does.",
    );
  }
  return validate(profilePathSchema, { id }).id;
}

function answerOf({ id, attributes, version, updatedAtMs }: Profile) {
  return { id, attributes, version, updatedAtMs };
}
