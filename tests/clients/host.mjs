// A host of its own for each client: a data directory, a port that stays the same over restarts, an address where the
// client asks for a kill, and a wall, which lets HTTP through but no WebSocket.

import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";

const START_MS = 120_000;

export class Host {
  constructor(skep, manifest, folder) {
    Object.assign(this, { skep, folder, servers: [], log: path.join(folder, "log") });
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(path.join(folder, ".skep"), { recursive: true });
    fs.copyFileSync(manifest, path.join(folder, "skep.toml"));
    // Each guest is compiled once, not once for each client.
    const cache = path.join(path.dirname(folder), "clients-code");
    fs.mkdirSync(cache, { recursive: true });
    fs.symlinkSync(cache, path.join(folder, ".skep", "cache"));
  }

  async start() {
    this.port ??= await freePort();
    const args = ["serve", this.folder, "--listen", `127.0.0.1:${this.port}`, "--admin", "127.0.0.1:0"];
    const log = fs.openSync(this.log, "a");
    const child = spawn(this.skep, args, { stdio: ["ignore", log, log] });
    fs.closeSync(log);
    this.child = child;
    const gone = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", resolve);
    });
    this.gone = gone;
    const deadline = Date.now() + START_MS;
    for (;;) {
      const answer = await Promise.race([fetch(`http://127.0.0.1:${this.port}/`).catch(() => null), gone.then(() => "gone")]);
      if (answer?.ok) return;
      if (answer === "gone" || Date.now() > deadline) {
        await this.kill();
        throw new Error(`the host does not start: ${fs.readFileSync(this.log, "utf8").slice(-4000)}`);
      }
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }

  async kill() {
    this.child?.kill("SIGKILL");
    await this.gone;
    this.child = null;
  }

  // Where a client asks: `/kill` and `/start` answer when it is done.
  async control() {
    const server = http.createServer(async (request, response) => {
      try {
        await this[{ "/kill": "kill", "/start": "start" }[request.url]]();
        response.writeHead(200, { "access-control-allow-origin": "*" }).end();
      } catch (error) {
        response.writeHead(500, { "access-control-allow-origin": "*" }).end(String(error));
      }
    });
    return this.#listen(server);
  }

  // The host behind a proxy that knows nothing of WebSockets: with `wall=silent` in the query it says nothing to one
  // that opens, else it refuses.
  async wall() {
    const server = http.createServer((request, response) => {
      const onward = http.request({ port: this.port, host: "127.0.0.1", method: request.method, path: request.url, headers: request.headers });
      onward.on("response", answer => answer.pipe(response.writeHead(answer.statusCode, answer.headers)));
      onward.on("error", () => response.writeHead(502).end());
      response.on("close", () => onward.destroy());
      request.pipe(onward);
    });
    server.on("upgrade", (request, socket) => {
      socket.on("error", () => {});
      if (!request.url.includes("wall=silent")) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    });
    return this.#listen(server);
  }

  async stop() {
    await this.kill();
    for (const { server, sockets } of this.servers) {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  }

  async #listen(server) {
    const sockets = new Set();
    server.on("connection", socket => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    });
    this.servers.push({ server, sockets });
    await new Promise(resolve => server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${server.address().port}`;
  }
}

async function freePort() {
  const server = net.createServer();
  await new Promise(resolve => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}
