/**
 * Answers the requests for the stored attributes of one item or user.
 */
import type { Attributes, Profile, ProfileKind } from "../../mesh/ports/profile_store.ts";
import { TurnsByKey } from "../../structures/turns_by_key.ts";
import { requireFeatures } from "../attributes/attribute_types.ts";
import { noteOnProfiles } from "../attributes/known_attributes.ts";
import type { GatewayContext } from "../endpoint.ts";
import { withinDeadline } from "../middleware/deadline.ts";
import { readQuery } from "../parsing/query.ts";
import { BodyReader } from "../parsing/request_body.ts";
import { validate } from "../parsing/validation.ts";
import type { GatewayParts } from "../parts.ts";
import { ProblemError } from "../problems.ts";
import { deleteUserQuerySchema, noQuerySchema } from "../schemas/erasures.ts";
import {
  profilePatchSchema,
  profilePathSchema,
  profileRequestSchema,
} from "../schemas/profiles.ts";
import { TextResponse } from "../text_response.ts";
import { eraseUser } from "./erasures.ts";
import { profileAnswer } from "./profile_answer.ts";

/** Tries of a patch, each after another write of the same profile came first. */
const PATCH_TRIES_MAX = 16;

export class ProfileRequests {
  readonly #kind: ProfileKind;
  readonly #parts: GatewayParts;
  readonly #body: BodyReader;
  /** Patches of this gateway do not overtake one another; those of other gateways may. */
  readonly #patches = new TurnsByKey();

  constructor(kind: ProfileKind, parts: GatewayParts) {
    this.#kind = kind;
    this.#parts = parts;
    this.#body = new BodyReader(parts.clock, parts.options);
  }

  async put(context: GatewayContext): Promise<Response> {
    const [kind, id] = [this.#kind, idOf(context)];
    const { clock, profiles } = this.#parts;
    const { attributes } = await this.#body.read(context, profileRequestSchema);
    requireFeatures(this.#parts, kind, attributes);
    const profile = await withinDeadline(
      context,
      clock,
      profiles.put(kind, id, attributes),
      `The profile store did not confirm ${kind} "${id}" in time, so whether it was written is unknown. ` +
        "Send it again: the last write counts.",
    );
    return this.#stored(profile, attributes, profile.version === 1 ? 201 : 200);
  }

  async patch(context: GatewayContext): Promise<Response> {
    const [kind, id] = [this.#kind, idOf(context)];
    const { attributes: changes } = await this.#body.read(context, profilePatchSchema);
    const profile = await withinDeadline(
      context,
      this.#parts.clock,
      this.#patches.run(id, () => this.#patched(id, changes)),
      `The profile store did not confirm ${kind} "${id}" in time, so whether it was changed is unknown. ` +
        "Send the patch again: it has the same effect twice.",
    );
    return this.#stored(profile, changes, 200);
  }

  async get(context: GatewayContext): Promise<Response> {
    const id = idOf(context);
    const profile = await withinDeadline(
      context,
      this.#parts.clock,
      this.#read(id),
      `The profile store did not answer for ${this.#kind} "${id}" in time. Ask again.`,
    );
    return TextResponse.json(profileAnswer(profile));
  }

  async remove(context: GatewayContext): Promise<Response> {
    const [kind, id] = [this.#kind, idOf(context)];
    const { clock, profiles } = this.#parts;
    const { forget } = readQuery(context, kind === "user" ? deleteUserQuerySchema : noQuerySchema);
    if (forget === "true") return await eraseUser(this.#parts, context, id);
    await withinDeadline(
      context,
      clock,
      profiles.delete(kind, id),
      `The profile store did not confirm in time, so whether ${kind} "${id}" was deleted is ` +
        "unknown. Send it again.",
    );
    return context.body(null, 204);
  }

  /** Applies changes to the profile as it is at the moment of the write. */
  async #patched(id: string, changes: Attributes): Promise<Profile> {
    const kind = this.#kind;
    for (let tries = 0; tries < PATCH_TRIES_MAX; tries++) {
      const before = await this.#read(id);
      const attributes = mergePatch(before.attributes, changes);
      validate(profileRequestSchema, { attributes });
      requireFeatures(this.#parts, kind, attributes);
      const after = await this.#parts.profiles.replace(kind, before, attributes);
      if (after !== undefined) return after;
    }
    throw new ProblemError(
      "unavailable",
      `Other writes of ${kind} "${id}" came first ${PATCH_TRIES_MAX} times. Nothing was changed.`,
    );
  }

  /**
   * @throws {ProblemError} `unknown-item` or `unknown-user`.
   * @throws {ProfileStoreUnavailableError} Whether it is stored is unknown.
   */
  async #read(id: string): Promise<Profile> {
    const kind = this.#kind;
    const profile = await this.#parts.profiles.read(kind, id);
    if (profile !== undefined) return profile;
    throw new ProblemError(
      `unknown-${kind}`,
      `No attributes are stored for ${kind} "${id}". Store them with PUT /v1/${kind}s/{id}; ` +
        "rankings work without them.",
    );
  }

  /** The answer to a write; its note is about the attributes that the client sent. */
  #stored(profile: Profile, sent: Attributes, status: number): Response {
    const known = this.#parts.attributes?.[this.#kind];
    const note = known && noteOnProfiles([sent], known);
    return TextResponse.json(
      { ...profileAnswer(profile), ...(note !== undefined && { note }) },
      status,
    );
  }
}

/** The attributes after a JSON merge patch; values of attributes are not merged. */
function mergePatch(before: Attributes, changes: Attributes): Attributes {
  const kept = Object.entries(before).filter(([name]) => !Object.hasOwn(changes, name));
  const set = Object.entries(changes).filter(([, value]) => value !== null);
  return Object.fromEntries([...kept, ...set]);
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
