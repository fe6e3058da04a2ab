// Steps of a run from JavaScript: the protocol of scripts in forty lines, without any package.
// import { step, sleep } from "./steps.mjs"

import net from "node:net";
import readline from "node:readline";

async function* linesOf(socket) {
  try {
    for await (const line of readline.createInterface({ input: socket })) yield JSON.parse(line);
  } catch {
    // the connection broke: the attempt leaves
  }
}

async function call(request, run) {
  const [, host, port, secret] = process.env.HOLDFAST_STEPS.match(/^(.*):(\d+):([^:]*)$/);
  const socket = net.connect({ host, port: Number(port) });
  const say = (message) => socket.write(JSON.stringify(message) + "\n");
  say({ secret, ...request });
  for await (const answer of linesOf(socket)) {
    if (answer.do === "run") {
      say(await run(answer.step_key));
    } else {
      socket.end();
      if (answer.exit_code !== 0) throw new Error(answer.message);
      return answer.output;
    }
  }
  return new Promise(() => setInterval(() => {}, 1 << 30)); // until we are ended
}

// Returns what `body` returned, as JSON gives it back; it is called only while nothing is recorded.
export async function step(name, args, body, { key = null, maxAttempts = 1 } = {}) {
  const command = args.map((each) => JSON.stringify(each));
  const request = { do: "step", name, key, command: [name, ...command], max_attempts: maxAttempts };
  const output = await call(request, async (stepKey) => {
    try {
      return { exit_code: 0, output: JSON.stringify((await body(...args, stepKey)) ?? null) };
    } catch (error) {
      console.error(error);
      return { exit_code: 1 };
    }
  });
  return JSON.parse(output);
}

export const sleep = (seconds) => call({ do: "sleep", seconds });
