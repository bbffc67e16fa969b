// What a case of phoenix.js works with: sockets that are closed when it is over, and promises in place of callbacks.
// Runs in Node and in a page.

const PATIENCE_MS = 30_000;

export class Test {
  // `phoenix`: the package. `host`: what the socket opens, as `ws://127.0.0.1:1`, or nothing for the page's own.
  // `control`: where a kill is asked for. `options`: what each socket needs where it runs.
  constructor({ phoenix, host, control, options = {} }) {
    // Rooms of its own: of those who were in another case's, some are still leaving.
    const room = `room:${Math.random().toString(36).slice(2)}`;
    Object.assign(this, { phoenix, host, control, options, room, sockets: [] });
  }

  // A socket that is opening. `opened` and `closed` count.
  open(user, { params, ...more } = {}) {
    const options = { params: { user, ...params }, timeout: PATIENCE_MS, ...this.options, ...more };
    const socket = new this.phoenix.Socket(`${this.host}/socket`, options);
    Object.assign(socket, { opened: 0, closed: 0, failed: 0, heard: [] });
    socket.onOpen(() => socket.opened++);
    socket.onClose(() => socket.closed++);
    socket.onError(() => socket.failed++);
    socket.onMessage(message => { socket.heard.push(message); });
    this.sockets.push(socket);
    socket.connect();
    return socket;
  }

  // A channel that has been joined. `joins` are the replies to its joins, one for each time; `got` is what came.
  async join(socket, params = {}, topic = this.room) {
    const channel = socket.channel(topic, params);
    Object.assign(channel, { joins: [], errors: 0, closes: 0, got: [] });
    for (const event of ["shout", "broadcast", "whisper"]) channel.on(event, body => { channel.got.push([event, body]); });
    channel.presence = new this.phoenix.Presence(channel);
    channel.onError(() => channel.errors++);
    channel.onClose(() => channel.closes++);
    const joined = this.reply(channel.join().receive("ok", reply => channel.joins.push(reply)));
    const [status, body] = await joined;
    same([topic, status, status === "ok" || body], [topic, "ok", true]);
    return channel;
  }

  // What a push is answered: the word and the body.
  reply(push) {
    const word = (resolve, name) => push.receive(name, body => resolve([name, body]));
    return this.patient("a reply", new Promise(resolve => ["ok", "error", "timeout"].forEach(name => word(resolve, name))));
  }

  async ask(channel, event, body, ms) {
    return this.reply(channel.push(event, body, ms));
  }

  async until(what, condition) {
    const deadline = Date.now() + PATIENCE_MS;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`never came: ${what}`);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  patient(what, promise) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`never came: ${what}`)), PATIENCE_MS + 5_000));
    return Promise.race([promise, late]);
  }

  // Who is in a room, and in which moods, as the package's Presence has it.
  there(channel) {
    return Object.fromEntries(channel.presence.list((name, { metas }) => [name, metas.map(meta => meta.mood)]));
  }

  async sees(channel, expected) {
    const words = value => JSON.stringify(Object.entries(value).sort());
    const what = () => `${JSON.stringify(expected)}, but ${JSON.stringify(this.there(channel))}`;
    await this.until("presence", () => words(this.there(channel)) === words(expected)).catch(() => { throw new Error(`never there: ${what()}`); });
  }

  async host_is(what) {
    const answer = await fetch(`http://${this.control}/${what}`);
    if (!answer.ok) throw new Error(await answer.text());
  }

  end() {
    for (const socket of this.sockets) socket.disconnect();
  }
}

export function same(got, expected) {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)];
  if (left !== right) throw new Error(`got ${left}, not ${right}`);
}

export const bytes = (...values) => new Uint8Array(values).buffer;
export const values = buffer => {
  if (buffer?.constructor !== ArrayBuffer) throw new Error(`no bytes but ${JSON.stringify(buffer)}`);
  return [...new Uint8Array(buffer)];
};
