// What phoenix.js does with a host, the same for both versions, in Node and in a page. A case throws what is wrong, or
// returns why the client cannot do it. `wall` is for cases that go through a proxy without WebSockets.

import { Test, bytes, same, values } from "./test.mjs";

const cases = {
  "connects with parameters, joins": async t => {
    const socket = t.open("anna", { params: { lang: "de" } });
    const room = await t.join(socket, { from: "here", deep: { list: [1, "ü"] } });
    same(room.joins, [{ params: { deep: { list: [1, "ü"] }, from: "here" }, token: null, user: "anna" }]);
    same([socket.opened, socket.connectionState()], [1, "open"]);
  },

  "authenticates with a token": async t => {
    if (!("authToken" in t.open("nobody"))) return "1.7 has no `authToken`";
    const token = "a token/with+all=~";
    for (const more of [{}, { transport: t.phoenix.LongPoll }]) {
      const room = await t.join(t.open("anna", { authToken: token, ...more }));
      same(room.joins[0].token, token);
    }
  },

  "is refused a socket": async t => {
    const socket = t.open("nobody");
    await t.until("an error", () => socket.failed > 1);
    same([socket.opened, socket.isConnected()], [0, false]);
  },

  "is refused a join": async t => {
    const socket = t.open("anna");
    for (const [topic, reason] of [["room:closed", "the room is closed"], ["nowhere:a", "unmatched topic"]]) {
      const channel = socket.channel(topic);
      same(await t.reply(channel.join()), ["error", { reason }]);
      channel.leave();
    }
    same((await t.join(socket)).errors, 0);
  },

  "gets replies: ok, error": async t => {
    const room = await t.join(t.open("anna"));
    for (const body of [{}, { n: 1, deep: [null, "\u{1f41d} ü", 1.5] }, [1, "a"], "text", 7, true]) {
      same(await t.ask(room, "echo", body), ["ok", body]);
    }
    same(await t.ask(room, "refuse", { why: "not now" }), ["error", { reason: "not now" }]);
    same(await t.ask(room, "refuse", {}), ["error", { code: "invalid-payload", reason: (await t.ask(room, "refuse", {}))[1].reason }]);
  },

  "gets a late reply": async t => {
    const [anna, ben] = [await t.join(t.open("anna")), await t.join(t.open("ben"))];
    const late = ["ok", "error"].map(status => [status, t.ask(anna, "later", { key: status })]);
    // What is answered at once overtakes them.
    same(await t.ask(anna, "echo", { n: 1 }), ["ok", { n: 1 }]);
    for (const [status, reply] of late) {
      same((await t.ask(ben, "answer", { key: status, status, body: { n: 2 } }))[0], "ok");
      same(await reply, [status, { n: 2 }]);
    }
  },

  "times out where no reply comes": async t => {
    const room = await t.join(t.open("anna"));
    same((await t.ask(room, "silent", {}, 200))[0], "timeout");
    same(await t.ask(room, "size", {}), ["ok", { bytes: 2, said: 2 }]);
  },

  "broadcasts to all, to others": async t => {
    const [anna, ben] = [await t.join(t.open("anna")), await t.join(t.open("ben"))];
    await t.ask(anna, "broadcast", { n: 1 });
    await t.ask(anna, "shout", { n: 2 });
    await t.ask(anna, "whisper", { n: 3 });
    await t.until("what was said", () => ben.got.length === 2 && anna.got.length === 2);
    same(ben.got, [["broadcast", { n: 1 }], ["shout", { n: 2 }]]);
    same(anna.got, [["shout", { n: 2 }], ["whisper", { n: 3 }]]);
  },

  "keeps the order of many": async t => {
    const [anna, ben] = [await t.join(t.open("anna")), await t.join(t.open("ben"))];
    const numbers = Array.from({ length: 300 }, (_, n) => n);
    const order = [];
    await Promise.all(numbers.map(async n => order.push((await t.ask(anna, "shout", { n }), n))));
    await t.until("all of them", () => ben.got.length === numbers.length);
    same([order, ben.got.map(([, body]) => body.n), anna.got.map(([, body]) => body.n)], [numbers, numbers, numbers]);
  },

  "says and hears bytes": async t => {
    const [anna, ben] = [await t.join(t.open("anna")), await t.join(t.open("ben"))];
    const all = Array.from({ length: 256 }, (_, value) => value);
    const [status, reply] = await t.ask(anna, "echo", bytes(...all));
    same([status, values(reply)], ["ok", all]);
    same(await t.ask(anna, "size", bytes()), ["ok", { bytes: 0, said: 2 }]);
    for (const event of ["whisper", "broadcast", "shout"]) await t.ask(anna, event, bytes(0, 255, 91));
    await t.until("bytes", () => anna.got.length === 2 && ben.got.length === 2);
    same(anna.got.map(([event, body]) => [event, values(body)]), [["whisper", [0, 255, 91]], ["shout", [0, 255, 91]]]);
    same(ben.got.map(([event, body]) => [event, values(body)]), [["broadcast", [0, 255, 91]], ["shout", [0, 255, 91]]]);
  },

  "sees who comes, changes and goes": async t => {
    const anna = await t.join(t.open("anna"));
    const seen = [];
    anna.presence.onJoin((name, before, { metas }) => seen.push(`+${name} ${before ? "again" : "new"} ${metas.map(meta => meta.mood)}`));
    anna.presence.onLeave((name, left, { metas }) => seen.push(`-${name} ${left.metas.length} left ${metas.map(meta => meta.mood)}`));
    await t.sees(anna, { anna: ["new"] });
    const [phone, desk] = [t.open("ben"), t.open("ben")];
    const ben = await t.join(phone);
    await t.sees(ben, { anna: ["new"], ben: ["new"] });
    await t.sees(anna, { anna: ["new"], ben: ["new"] });
    const [{ phx_ref: before }] = anna.presence.state.ben.metas;
    await t.ask(ben, "mood", { mood: "glad" });
    await t.sees(anna, { anna: ["new"], ben: ["glad"] });
    same(anna.presence.state.ben.metas[0].phx_ref_prev, before);
    await t.join(desk);
    await t.sees(anna, { anna: ["new"], ben: ["glad", "new"] });
    desk.disconnect();
    await t.sees(anna, { anna: ["new"], ben: ["glad"] });
    phone.disconnect();
    await t.sees(anna, { anna: ["new"] });
    // Its own coming may be in its list before it listens; the rest is all that there was.
    same(seen.filter(line => line.includes("ben")), ["+ben new new", "+ben again glad", "-ben 1 left new", "+ben again new", "-ben 1 left new", "-ben 0 left glad"]);
  },

  "has two topics on one socket, leaves one": async t => {
    const [mine, other] = [t.open("anna"), t.open("ben")];
    const [a, b] = [await t.join(mine), await t.join(mine, {}, `${t.room}b`)];
    const [benA, benB] = [await t.join(other), await t.join(other, {}, `${t.room}b`)];
    await t.ask(benA, "shout", { n: 1 });
    await t.ask(benB, "shout", { n: 2 });
    await t.until("both", () => a.got.length + b.got.length === 2);
    same([a.got[0][1], b.got[0][1]], [{ n: 1 }, { n: 2 }]);
    same((await t.reply(a.leave()))[0], "ok");
    same([a.closes, a.state, mine.channels.length], [1, "closed", 1]);
    await t.sees(benA, { ben: ["new"] });
    const heard = mine.heard.length;
    await t.ask(benA, "shout", { n: 3 });
    await t.ask(benB, "shout", { n: 4 });
    await t.until("the other room", () => b.got.length === 2);
    same(mine.heard.slice(heard).filter(({ topic }) => topic === t.room), []);
    const again = await t.join(mine);
    same(await t.ask(again, "echo", { n: 5 }), ["ok", { n: 5 }]);
  },

  "rejoins after the guest has crashed": async t => {
    const [anna, ben] = [t.open("anna"), t.open("ben")];
    const [calm, crashed] = [await t.join(anna), await t.join(ben, { keep: 1 })];
    const besides = await t.join(ben, {}, `${t.room}b`);
    crashed.push("crash", {});
    await t.until("a rejoin", () => crashed.joins.length === 2);
    same([crashed.errors, calm.errors, besides.errors, ben.opened, anna.opened], [1, 0, 0, 1, 1]);
    same(crashed.joins[1].params, { keep: 1 });
    same(await t.ask(crashed, "echo", { n: 1 }), ["ok", { n: 1 }]);
    await t.sees(calm, { anna: ["new"], ben: ["new"] });
    await t.ask(calm, "shout", { n: 2 });
    await t.until("a broadcast", () => crashed.got.length === 1);
    // The second death is the same.
    crashed.push("nobody knows this", {});
    await t.until("another rejoin", () => crashed.joins.length === 3);
  },

  "takes the end of a channel for one": async t => {
    const socket = t.open("anna");
    const room = await t.join(socket);
    room.push("stop", {});
    await t.until("the end", () => room.closes === 1);
    same([room.state, room.errors, room.joins.length, socket.isConnected()], ["closed", 0, 1, true]);
  },

  "comes back when it is disconnected": async t => {
    const [anna, ben] = [t.open("anna"), t.open("ben")];
    const [room, other] = [await t.join(anna), await t.join(ben)];
    await t.ask(other, "kick", { user: "anna" });
    await t.until("a rejoin", () => room.joins.length === 2);
    same([anna.opened, ben.opened], [2, 1]);
    await t.sees(other, { anna: ["new"], ben: ["new"] });
  },

  "beats, and stays": async t => {
    const socket = t.open("anna", { heartbeatIntervalMs: 200 });
    const beats = () => socket.heard.filter(({ topic, event, payload }) => topic === "phoenix" && event === "phx_reply" && payload.status === "ok");
    await t.until("answers to heartbeats", () => beats().length > 4);
    same([socket.opened, socket.closed], [1, 0]);
  },

  "reconnects when the host was killed": async t => comesBack(t, {}),
  "the same, polling": async t => comesBack(t, { transport: t.phoenix.LongPoll }),

  "polls": async t => polls(t, t.open("anna", { transport: t.phoenix.LongPoll })),

  "polls where a WebSocket is refused": Object.assign(
    async t => polls(t, t.open("anna", { longPollFallbackMs: 60_000 })),
    { wall: true },
  ),

  "polls where a WebSocket never opens": Object.assign(
    async t => polls(t, t.open("anna", { longPollFallbackMs: 300, params: { wall: "silent" } })),
    { wall: true },
  ),

  "stays with the WebSocket that works": async t => {
    const socket = t.open("anna", { longPollFallbackMs: 20_000 });
    await t.until("the answer to its ping", () => socket.primaryPassedHealthCheck);
    same([socket.conn instanceof t.phoenix.LongPoll, socket.opened], [false, 1]);
  },
};

async function comesBack(t, more) {
  const [anna, ben] = [t.open("anna", more), t.open("ben")];
  const [room, other] = [await t.join(anna, { keep: 1 }), await t.join(ben)];
  await t.sees(other, { anna: ["new"], ben: ["new"] });
  await t.host_is("kill");
  await t.until("the loss", () => !anna.isConnected() && !ben.isConnected());
  // What is said meanwhile waits in the client.
  const waiting = t.ask(room, "echo", { n: 1 });
  await t.host_is("start");
  await t.until("a rejoin", () => room.joins.length === 2 && other.joins.length === 2);
  same(await waiting, ["ok", { n: 1 }]);
  same(room.joins[1].params, { keep: 1 });
  await t.sees(other, { anna: ["new"], ben: ["new"] });
  await t.ask(other, "shout", { n: 2 });
  await t.until("a broadcast", () => room.got.length === 1);
}

// A client that polls, beside one that does too.
async function polls(t, socket) {
  const room = await t.join(socket);
  same([socket.conn instanceof t.phoenix.LongPoll, socket.transport === t.phoenix.LongPoll], [true, true]);
  const other = await t.join(t.open("ben", { transport: t.phoenix.LongPoll }));
  await t.sees(room, { anna: ["new"], ben: ["new"] });
  same(await t.ask(room, "echo", { n: "ü" }), ["ok", { n: "ü" }]);
  same(await t.ask(room, "size", bytes(0, 255, 10, 13)), ["ok", { bytes: 4, said: 2 }]);
  await t.ask(other, "broadcast", { n: 1 });
  const numbers = Array.from({ length: 150 }, (_, n) => n);
  await Promise.all(numbers.map(n => t.ask(other, "shout", { n })));
  await t.until("what was said", () => room.got.length === 151);
  same(room.got.map(([, body]) => body.n), [1, ...numbers]);
  room.push("crash", {});
  await t.until("a rejoin", () => room.joins.length === 2);
  same((await t.reply(room.leave()))[0], "ok");
  await t.sees(other, { ben: ["new"] });
  same(socket.opened, 1);
}

export const names = Object.keys(cases);
export const wall = name => Boolean(cases[name].wall);

// Runs one: nothing if all is right, or why the client cannot.
export async function run(name, place) {
  const test = new Test(place);
  try {
    return await cases[name](test);
  } finally {
    test.end();
  }
}
