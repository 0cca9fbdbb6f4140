/** Broken joiners and trainers, each with the complete error message. */
import { slots, testOneProblem } from "./broken_file.ts";

testOneProblem([
  [
    "example partitions that the joiners cannot divide",
    `${slots}\njoiner: { partitions: 4 }\ntrainer: { partitions: 6 }`,
    "3:24 trainer.partitions: found 6, and joiner.partitions is 4, each with as many of them; " +
    "write 8 or another multiple of 4, or leave it out",
  ],
  [
    "more trainers than example partitions",
    `${slots}\njoiner: { partitions: 2 }\ntrainer: { partitions: 4, count: 5 }`,
    "3:34 trainer.count: found 5, and trainer.partitions is 4, so some trainers would have none; " +
    "write at most 4",
  ],
  [
    "no replica of served rows",
    `${slots}\nembeddings: { serving: { replicas: 0 } }`,
    "2:36 embeddings.serving.replicas: found 0, expected all or a whole number from 1 to 64",
  ],
  [
    "more replicas of served rows than hosts can be",
    `${slots}\nembeddings: { serving: { replicas: 65 } }`,
    "2:36 embeddings.serving.replicas: found 65, expected all or a whole number from 1 to 64",
  ],
  [
    "no partitions",
    `${slots}\njoiner: { partitions: 0 }`,
    "2:23 joiner.partitions: found 0, expected a whole number from 1 to 1,024",
  ],
  [
    "late labels that come before the window ends",
    `${slots}\njoiner: { window: 1h, lateLabels: { click: 30m } }`,
    "2:44 joiner.lateLabels.click: found 30m, and the window is 1h: write a longer time than " +
    "joiner.window, or leave it out",
  ],
  [
    "late labels of a task that predicts a value",
    `${slots}\nmodel: { kind: deepFm, tasks: [click], taskLosses: { click: squaredError } }\n` +
    "joiner: { lateLabels: { click: 3h } }",
    '3:32 joiner.lateLabels.click: "click" predicts a value, and only positive labels are learned ' +
    "from late; leave it out, or lengthen joiner.window",
  ],
  [
    "late labels of an unknown task",
    `${slots}\njoiner: { lateLabels: { clicks: 3h } }`,
    '2:25 joiner.lateLabels.clicks: unknown task of the model "clicks"; did you mean "click"?',
  ],
  [
    "a key in another style",
    `${slots}\ntrainer:\n  batch_rows: 4`,
    '3:3 trainer.batch_rows: unknown key; did you mean "batchRows"?',
  ],
  [
    "a duration without a unit",
    `${slots}\njoiner:\n  window: 30`,
    "3:11 joiner.window: found 30, expected a duration from 1s to 90d; write 30s for 30 seconds",
  ],
  [
    "a duration in the spelling of another program",
    `${slots}\njoiner:\n  window: 30min`,
    '3:11 joiner.window: found "30min", expected a duration from 1s to 90d; write 30m',
  ],
  [
    "a duration that is too long",
    `${slots}\njoiner: { window: 91d }`,
    '2:19 joiner.window: found "91d", expected a duration from 1s to 90d',
  ],
  [
    "label rules for a task that the model does not have",
    `${slots}\njoiner:\n  tasks:\n    click: [{ action: click, label: positive }]\n` +
    "    bought: [{ action: buy, label: positive }]",
    '5:5 joiner.tasks.bought: unknown task of the model "bought"; known: click.',
  ],
  [
    "a task without label rules when another task has some",
    `${slots}\nmodel: { kind: mmoe, tasks: [click, buy] }\n` +
    "joiner: { tasks: { click: [{ action: click, label: positive }] } }",
    '3:11 joiner.tasks: has no rule for the model\'s task "buy", which would learn only negatives; ' +
    "add buy: [{ action: buy, label: positive }], or take it out of model.tasks",
  ],
  [
    "a value as the label of a task that predicts a probability",
    `${slots}\njoiner:\n  tasks:\n    click:\n      - { action: watch, label: value }`,
    '5:33 joiner.tasks.click[0].label: found value, and "click" predicts a probability; ' +
    "write positive or negative, or set model.taskLosses: { click: squaredError }",
  ],
  [
    "a rule that no value can match",
    `${slots}\njoiner:\n  tasks:\n    click:\n` +
    "      - { action: rating, valueAtLeast: 5, valueBelow: 4, label: positive }",
    "5:9 joiner.tasks.click[0]: found valueAtLeast 5 and valueBelow 4: no value matches both; " +
    "expected valueAtLeast < valueBelow",
  ],
  [
    "bounds of a value that are empty",
    `${slots}\njoiner:\n  tasks:\n    click:\n` +
    "      - { action: rating, label: positive, valueMin: 5, valueMax: 1 }",
    "5:67 joiner.tasks.click[0].valueMax: found 1, expected a number of valueMin (5) or more",
  ],
  [
    "different bounds of the value of one action",
    `${slots}\njoiner:\n  tasks:\n    click:\n` +
    "      - { action: rating, valueAtLeast: 3, label: positive, valueMax: 5 }\n" +
    "      - { action: rating, label: negative, valueMax: 10 }",
    '6:54 joiner.tasks.click[1].valueMax: found 10, and another rule for "rating" has 5; the bounds of an ' +
    "action are the same in all rules, so keep one",
  ],
  [
    "a bound of a value beyond the range of a 32-bit float",
    `${slots}\njoiner: { tasks: { click: [{ action: rating, label: positive, valueMax: 1e39 }] } }`,
    "2:73 joiner.tasks.click[0].valueMax: found 1e+39, expected a number",
  ],
  [
    "a batch that can never be full",
    `${slots}\ntrainer: { batchRows: 512, rowsWaitingMax: 100 }`,
    "2:44 trainer.rowsWaitingMax: found 100, expected batchRows (512) or more: " +
    "no batch would be full",
  ],
  [
    "a list loss over batches that are too large",
    `${slots}\nmodel: { kind: deepFm, listLoss: {} }\ntrainer: { batchRows: 4097 }`,
    "3:23 trainer.batchRows: found 4097, expected 4096 or less with model.listLoss, which " +
    "compares each row of a batch with each other; lower this value, or remove listLoss",
  ],
]);
