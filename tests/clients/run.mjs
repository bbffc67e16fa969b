// Runs every client against a host of its own, and prints a line for each client and case. `.ci/clients` installs what it
// takes. With an argument: only clients whose names contain it.

import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

import { Host } from "./host.mjs";
import { version } from "./js/packages.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.join(here, "../../target");
const { SKEP_BIN: skep, CLIENTS_PYTHON: python, CLIENTS_RUST: rust } = process.env;
// A client that is done sooner than this is not stuck.
const CLIENT_MS = 300_000;

const rooms = path.join(here, "skep.toml");
const chat = path.join(here, "../../examples/chat/skep.toml");
const node = (...args) => [process.execPath, ...args];
const clients = [
  ...["phoenix-1.7", "phoenix-1.8"].flatMap(name => [
    { name: `phoenix ${version(name)}, Node`, command: node("js/node.mjs", name) },
    { name: `phoenix ${version(name)}, Chromium`, command: node("js/browser.mjs", name) },
  ]),
  { name: "the chat example, Chromium", command: node("js/chat.mjs"), manifest: chat },
  { name: "phoenix-channels-python-client", command: [python, "python/channels.py"] },
  { name: "realtime (Python)", command: [python, "python/realtime_client.py"] },
  { name: "phoenix_channels_client (Rust)", command: [rust, "phoenix_channels_client"] },
  { name: "phyllo (Rust)", command: [rust, "phyllo"] },
];

async function runClient({ name, command, manifest = rooms }, at) {
  const host = new Host(skep, manifest, path.join(target, `clients-${at}`));
  const lines = [];
  let child;
  running = { end: () => (end(child), host.kill()) };
  try {
    await host.start();
    const env = { ...process.env, HOST: `127.0.0.1:${host.port}`, WALL: await host.wall(), CONTROL: await host.control(), TARGET: target };
    // A group of its own, so that a browser that it has started ends with it.
    child = spawn(command[0], command.slice(1), { cwd: here, env, stdio: ["ignore", "pipe", "inherit"], detached: true });
    const timer = setTimeout(() => end(child), CLIENT_MS);
    const exit = new Promise((resolve, reject) => child.once("error", reject).once("close", (code, signal) => resolve(code ?? signal)));
    for await (const line of readline.createInterface({ input: child.stdout })) {
      const [word, what, ms, why] = line.split("\t");
      if (!["ok", "cannot", "FAILED"].includes(word)) {
        console.log(`  ${name}: ${line}`);
        continue;
      }
      lines.push({ name, word, what, ms: Number(ms), why });
      if (word === "FAILED") console.log(`  ${name}: ${what}: ${why}`);
    }
    const code = await exit;
    clearTimeout(timer);
    if (code !== 0) throw new Error(`ended with ${code}`);
    if (!lines.some(({ word }) => word === "ok")) throw new Error("did nothing");
  } catch (error) {
    lines.push({ name, word: "FAILED", what: "the client itself", ms: 0, why: String(error?.stack ?? error) });
  } finally {
    end(child);
    await host.stop();
  }
  const failed = lines.some(({ word }) => word === "FAILED");
  if (failed) console.log(fs.readFileSync(host.log, "utf8").split("\n").slice(-60).join("\n"));
  return lines;
}

function end(child) {
  try {
    if (child?.pid) process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nobody of the group is left.
  }
}

let running;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    running?.end();
    process.exit(1);
  });
}

const began = performance.now();
const chosen = clients.map((client, at) => [client, at]).filter(([{ name }]) => name.includes(process.argv[2] ?? ""));
const results = [];
for (const [client, at] of chosen) {
  const start = performance.now();
  results.push(...(await runClient(client, at)));
  console.log(`${client.name}: ${Math.round((performance.now() - start) / 1000)} s`);
}
console.log();
for (const { name, word, what, ms, why } of results) {
  console.log(`${word.padEnd(6)} ${name.padEnd(31)} ${what}${word === "ok" ? ` (${ms} ms)` : `: ${why}`}`);
}
const count = wanted => results.filter(({ word }) => word === wanted).length;
console.log(`\n${count("ok")} passed, ${count("FAILED")} failed, ${count("cannot")} that a client cannot; ${Math.round((performance.now() - began) / 1000)} s`);
process.exit(count("FAILED") || !count("ok") ? 1 : 0);
