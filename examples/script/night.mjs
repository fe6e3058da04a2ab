// A night's work in JavaScript. Each step leaves a line in the file $EFFECTS.
//     holdfast apply -f examples/script/taskrun.yaml      (in the root of the project, beside `holdfast dev`)

import fs from "node:fs";
import { sleep, step } from "./steps.mjs";

const effects = process.env.EFFECTS ?? "/dev/null";
const note = (line) => fs.appendFileSync(effects, line + "\n");

function mayDie(moment) {
  // for the test that kills us here, once
  const mark = process.env.DIE_AT && `${process.env.DIE_AT}-${moment}`;
  if (mark && fs.existsSync(mark)) {
    fs.unlinkSync(mark);
    process.kill(process.ppid, "SIGKILL");
    process.kill(process.pid, "SIGKILL");
  }
}

const counts = [];
for (const table of ["orders", "customers"]) {
  counts.push(
    await step("count", [table], (name) => {
      note(`count ${name}`);
      return { table: name, rows: name.length };
    }),
  );
  mayDie(table);
}
await sleep(0.01);
const report = await step("report", [counts], (all) => {
  note("report");
  return all.map(({ table, rows }) => `${table}: ${rows}`).join(", ");
});
console.log(report);
