/**
 * Schemas of the rules of a request. Conditions are parsed by `requestRules`.
 */
import { z } from "zod";
import { ID_CHARACTERS_MAX } from "../../records/client_ids.ts";
import { EXPRESSION_UNITS_MAX } from "../../rules/expression_text.ts";
import { BOOSTS_MAX, CANDIDATES_MAX, EXCLUDES_MAX, PINS_MAX } from "../options.ts";
import { fields, namedSchemas } from "./registry.ts";
import { idSchema } from "./values.ts";

const sendCondition =
  `send a condition of 1 to ${EXPRESSION_UNITS_MAX} characters, like "price < 20"`;

const conditionSchema = z.string(sendCondition).min(1, sendCondition)
  .max(EXPRESSION_UNITS_MAX, sendCondition);

const sendFactor = "send a number above 0 and at most 1000";

const boostSchema = fields({
  when: conditionSchema.meta({ description: "Condition on an item." }),
  factor: z.number(sendFactor).positive(sendFactor).max(1000, sendFactor).meta({
    description: "Multiplies the score of each item that meets the condition; below 1 it lowers " +
      "them. A negative score is divided by it.",
  }),
}, 'a boost like {"when": "stock > 100", "factor": 1.2}');

const sendSeconds = "send a number of seconds above 0 and at most 31536000, a year";

const withinSeconds = z.number(sendSeconds).positive(sendSeconds).max(31_536_000, sendSeconds).meta(
  {
    description: "Time before the request, s.",
  },
);

const sendWhat =
  `send "shown" or the name of an action, of at most ${ID_CHARACTERS_MAX} characters`;

const excludeSchema = fields({
  what: z.string(sendWhat).min(1, sendWhat).max(ID_CHARACTERS_MAX, sendWhat).meta({
    description: "`shown`: items that rankings showed to the user. Else items on which the user " +
      "has acted in this way. A history of it is kept.",
  }),
  withinSeconds,
}, 'an exclusion like {"what": "purchase", "withinSeconds": 86400}');

const sendPenalty = "send a number above 0 and at most 1";

const rotationSchema = fields({
  withinSeconds,
  penalty: z.number(sendPenalty).positive(sendPenalty).max(1, sendPenalty).meta({
    description: "Share of its score that an item loses; 1 = it comes behind all others.",
  }),
}, 'a rotation like {"withinSeconds": 600, "penalty": 0.5}');

const sendPosition = `send a whole number from 1 to ${CANDIDATES_MAX}`;

const pinSchema = fields({
  item: idSchema("The item. Without it among the candidates, the pin has no effect.", "item-1"),
  position: z.int(sendPosition).min(1, sendPosition).max(CANDIDATES_MAX, sendPosition).meta({
    description: "Position in the answer, from 1.",
  }),
}, 'a pin like {"item": "item-1", "position": 1}');

const sendCount = `send a whole number from 1 to ${CANDIDATES_MAX}`;
const sendBy = "send the name of a declared attribute of items";
const countSchema = z.int(sendCount).min(1, sendCount).max(CANDIDATES_MAX, sendCount);

const sendDiversity = 'send "cap" or "mmr"';
const sendLambda = "send a number from 0 to 1";
const top = countSchema.optional().meta({
  description: "Positions that the rule is about; absent = all.",
});

const diversitySchema = z.discriminatedUnion("kind", [
  fields({
    kind: z.literal("cap", sendDiversity),
    by: z.string(sendBy).meta({
      description: "An attribute of items; of a list, each value counts.",
    }),
    max: countSchema.meta({ description: "Items with the same value among the first `top`." }),
    top,
  }, 'a diversity rule like {"kind": "cap", "by": "brand", "max": 2}'),
  fields({
    kind: z.literal("mmr", sendDiversity),
    lambda: z.number(sendLambda).min(0, sendLambda).max(1, sendLambda).meta({
      description: "Weight of the score; the rest is the weight of the difference from the items " +
        "before, by the cosine of the model's vectors.",
    }),
    top,
  }, 'a diversity rule like {"kind": "mmr", "lambda": 0.7}'),
], { error: 'send a diversity rule of kind "cap" or "mmr"' });

const sendShare = "send a number above 0 and at most 1";

const newItemsSchema = fields({
  when: conditionSchema.meta({ description: "Condition on an item that is new." }),
  share: z.number(sendShare).positive(sendShare).max(1, sendShare).meta({
    description: "Share of the positions that new items have at least, on average over rankings.",
  }),
  top,
}, 'a rule like {"when": "shown_month < 100", "share": 0.1}');

const sendBoosts = `send a list of at most ${BOOSTS_MAX} boosts`;
const sendExcludes = `send a list of at most ${EXCLUDES_MAX} exclusions`;
const sendPins = `send a list of at most ${PINS_MAX} pins`;

export const rulesSchema = fields({
  filter: conditionSchema.optional().meta({
    description:
      "Condition on an item; items that do not meet it are left out. It reads declared " +
      "attributes of items (`price`, `item.price`), of the user (`user.age`) and of the request " +
      "(`context.device`).",
  }),
  boost: z.array(boostSchema, sendBoosts).max(BOOSTS_MAX, sendBoosts).optional().meta({
    description: "Changes scores before the items are ordered.",
  }),
  exclude: z.array(excludeSchema, sendExcludes).max(EXCLUDES_MAX, sendExcludes).optional().meta({
    description: "Leaves out items that the user has seen, or has acted on.",
  }),
  rotation: rotationSchema.optional().meta({
    description: "Lowers items that were just shown to the user.",
  }),
  diversity: diversitySchema.optional().meta({ description: "Spreads items of the same kind." }),
  newItems: newItemsSchema.optional().meta({
    description: "Gives new items a share of the positions that pins do not take. New items " +
      "behind these positions are drawn by the ranking's id, each with the same chance.",
  }),
  pin: z.array(pinSchema, sendPins).max(PINS_MAX, sendPins).optional().meta({
    description: "Puts items at positions. An item that a filter left out is not pinned.",
  }),
}, "rules").meta({
  description: "Rules over the scored items. They apply in this order: exclude, filter, boost, " +
    "rotation, diversity, newItems, pin.",
  examples: [{ filter: "price < 50", boost: [{ when: '"new" in tags', factor: 1.2 }] }],
}).register(namedSchemas, { id: "Rules" });

export type RequestRules = z.infer<typeof rulesSchema>;
