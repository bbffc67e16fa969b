// Chromium without a window, driven by its own protocol.

import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

import { load } from "./packages.mjs";

const PATIENCE_MS = 30_000;
const CDP = load("chrome-remote-interface");

export class Chromium {
  static async start() {
    const profile = path.join(process.env.TARGET, "clients-chromium");
    fs.rmSync(profile, { recursive: true, force: true });
    const flags = [
      "--headless=new", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "--no-first-run", "--disable-gpu",
      // CI runs as root and in containers, where these two are not to be had. Nothing but our own pages is opened.
      "--no-sandbox", "--disable-dev-shm-usage",
      // Nothing is asked of the network.
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    ];
    const browser = new Chromium();
    browser.child = spawn(process.env.CHROMIUM ?? "chromium", [...flags, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
    const address = new Promise((resolve, reject) => {
      browser.child.once("error", reject);
      browser.child.once("exit", () => reject(new Error("chromium ended")));
      readline.createInterface({ input: browser.child.stderr }).on("line", line => {
        const found = line.match(/^DevTools listening on (ws:\/\/\S+)/);
        if (found) resolve(found[1]);
      });
    });
    const target = await address;
    browser.port = Number(new URL(target).port);
    browser.root = await CDP({ target });
    return browser;
  }

  // A page in a window, with cookies and storage of its own.
  async page(url) {
    const { browserContextId } = await this.root.Target.createBrowserContext();
    const { targetId } = await this.root.Target.createTarget({ url: "about:blank", browserContextId, newWindow: true, width: 900, height: 600 });
    const client = await CDP({ port: this.port, target: targetId });
    const page = new Page(client, () => this.root.Target.disposeBrowserContext({ browserContextId }));
    await client.Page.enable();
    const loaded = new Promise(resolve => client.Page.loadEventFired(resolve));
    const { errorText } = await client.Page.navigate({ url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await loaded;
    return page;
  }

  // What does not end by itself is ended by `run.mjs`, with the client that has started it.
  async stop() {
    const ended = new Promise(resolve => this.child.once("exit", resolve));
    await this.root.Browser.close();
    await ended;
  }
}

class Page {
  constructor(client, dispose) {
    Object.assign(this, { client, dispose });
  }

  // What an expression, or the promise that it is, comes to.
  async value(expression) {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.client.Runtime.evaluate(options);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.exception?.value ?? exceptionDetails.text);
    return result.value;
  }

  // Waits until an expression is true; what is done meanwhile is done again and again.
  async until(expression, meanwhile = () => {}) {
    const deadline = Date.now() + PATIENCE_MS;
    while (!(await this.value(expression))) {
      await meanwhile();
      if (Date.now() > deadline) throw new Error(`never true: ${expression}; the page says: ${await this.value("document.body.innerText")}`);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  // Types where the focus is, as with a keyboard.
  async type(text) {
    for (const letter of text) {
      await this.client.Input.dispatchKeyEvent({ type: "keyDown", text: letter });
      await this.client.Input.dispatchKeyEvent({ type: "keyUp" });
    }
  }

  async enter() {
    const key = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 };
    await this.client.Input.dispatchKeyEvent({ type: "keyDown", text: "\r", ...key });
    await this.client.Input.dispatchKeyEvent({ type: "keyUp", ...key });
  }

  async picture(file) {
    const { data } = await this.client.Page.captureScreenshot({ format: "png" });
    fs.writeFileSync(file, Buffer.from(data, "base64"));
  }

  // Closes the window.
  async close() {
    await this.client.close();
    await this.dispose();
  }
}
