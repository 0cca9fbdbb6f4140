/// <reference lib="deno.worker" />
/**
 * The entry of the thread that writes profiles, see profile_thread.ts.
 */
import { present } from "../../../structures/invariant.ts";
import type { ProfileThreadAnswer, ProfileThreadRequest } from "./profile_thread.ts";
import { ProfileRowError } from "./profile_table.ts";
import { type ProfileChange, ProfileWriter } from "./profile_writer.ts";

let writer: ProfileWriter | undefined;

self.onmessage = ({ data }: MessageEvent<ProfileThreadRequest>) => self.postMessage(answerTo(data));

function answerTo(request: ProfileThreadRequest): ProfileThreadAnswer {
  try {
    return { kind: "done", changes: handle(request) };
  } catch (error) {
    if (error instanceof ProfileRowError) {
      return { kind: "rowDamaged", profile: error.kind, id: error.id };
    }
    const { message, errcode } = error as Error & { readonly errcode?: number };
    return { kind: "failed", message, ...(errcode !== undefined && { errcode }) };
  }
}

function handle(request: ProfileThreadRequest): ProfileChange[] {
  if (request.kind === "open") {
    writer = new ProfileWriter(request.options);
    return [];
  }
  const opened = present(writer, "a thread opens its database first");
  switch (request.kind) {
    case "commit":
      return opened.commit(request.writes, request.nowMs);
    case "moveLog":
      opened.moveLog();
      return [];
    case "close":
      opened.close();
      return [];
    default:
      return request satisfies never;
  }
}
