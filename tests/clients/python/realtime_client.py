"""`realtime`, Supabase's client: version 1 of the protocol. Its topics all begin with `realtime:`, its broadcasts are one
event, `broadcast`, and of a reply that is ok it keeps nothing but the word.
"""

import json
from contextlib import asynccontextmanager

from cases import HOST, PATIENCE_S, host_is, main, room, same, until
from realtime import AsyncRealtimeClient
from realtime.types import RealtimeAcknowledgementStatus as Word
from realtime.types import RealtimeSubscribeStates as State


@asynccontextmanager
async def opened(user: str, **options):
    options = {"max_retries": 100, "initial_backoff": 0.1, "timeout": int(PATIENCE_S)} | options
    client = AsyncRealtimeClient(f"ws://{HOST}/socket", params={"user": user}, **options)
    try:
        await client.connect()
        yield client
    finally:
        await client.close()


class Room:
    """A channel with what it was told."""

    def __init__(self, client: AsyncRealtimeClient, name: str) -> None:
        self.states: list = []
        self.said: list = []
        self.changes: list = []
        self.channel = client.channel(name)
        self.channel.on_broadcast("*", lambda payload: self.said.append((payload["event"], payload["payload"])))
        self.channel.on_presence_sync(lambda: None)
        self.channel.on_presence_join(lambda key, _, new: self.changes.append(("+", key, [meta["mood"] for meta in new])))
        self.channel.on_presence_leave(lambda key, _, left: self.changes.append(("-", key, [meta["mood"] for meta in left])))

    def _told(self, state: State, error: Exception | None) -> None:
        self.states.append((state, str(error) if error else None))

    async def join(self) -> "Room":
        await self.channel.subscribe(self._told)
        same(self.states[-1], (State.SUBSCRIBED, None))
        return self

    async def push(self, event: str, payload: dict, timeout_s: int | None = None) -> list:
        """What it is answered comes into the list."""
        replies: list = []
        push = await self.channel.push(event, payload, timeout_s)
        push.receive(Word.Ok, lambda _: replies.append("ok"))
        push.receive(Word.Error, lambda body: replies.append(("error", body)))
        push.receive(Word.Timeout, lambda: replies.append("timeout"))
        return replies

    async def ask(self, event: str, payload: dict, timeout_s: int | None = None) -> object:
        replies = await self.push(event, payload, timeout_s)
        await until("a reply", lambda: replies)
        return replies[0]

    async def joined(self, times: int) -> None:
        await until("a rejoin", lambda: self.states.count((State.SUBSCRIBED, None)) == times)

    def there(self) -> dict:
        return {key: [meta["mood"] for meta in metas] for key, metas in self.channel.presence_state().items()}


async def connects() -> None:
    async with opened("anna") as anna:
        mine = await Room(anna, room()).join()
        await until("who is there", lambda: mine.there() == {"anna": ["new"]})


async def refused_socket() -> None:
    try:
        async with opened("nobody", max_retries=1):
            pass
    except Exception as error:
        same("403" in str(error), True)
    else:
        raise AssertionError("it came in")


async def refused_join() -> None:
    async with opened("anna") as anna:
        closed = Room(anna, "closed")
        await closed.channel.subscribe(closed._told)
        same(closed.states, [(State.CHANNEL_ERROR, json.dumps({"reason": "the room is closed"}))])


async def replies() -> None:
    async with opened("anna") as anna:
        mine = await Room(anna, room()).join()
        same(await mine.ask("echo", {}), "ok")
        same(await mine.ask("refuse", {"why": "not now"}), ("error", {"reason": "not now"}))


async def late_reply() -> None:
    async with opened("anna") as anna, opened("ben") as ben:
        name = room()
        mine, other = await Room(anna, name).join(), await Room(ben, name).join()
        late = await mine.push("later", {"key": "realtime"})
        same(await mine.ask("echo", {}), "ok")
        same(late, [])
        same(await other.ask("answer", {"key": "realtime", "status": "error", "body": {"n": 2}}), "ok")
        await until("a late reply", lambda: late)
        same(late, [("error", {"n": 2})])


async def timeout() -> None:
    async with opened("anna") as anna:
        mine = await Room(anna, room()).join()
        same(await mine.ask("silent", {}, 1), "timeout")
        same(await mine.ask("echo", {}), "ok")


async def broadcasts() -> None:
    async with opened("anna") as anna, opened("ben") as ben:
        name = room()
        mine, other = await Room(anna, name).join(), await Room(ben, name).join()
        await mine.channel.send_broadcast("news", {"n": 1})
        await until("a broadcast", lambda: other.said)
        await other.channel.send_broadcast("news", {"n": 2})
        await until("the other's", lambda: mine.said)
        same((mine.said, other.said), ([("news", {"n": 2})], [("news", {"n": 1})]))


async def order() -> None:
    async with opened("anna") as anna, opened("ben") as ben:
        name = room()
        mine, other = await Room(anna, name).join(), await Room(ben, name).join()
        for n in range(300):
            await mine.channel.send_broadcast("number", {"n": n})
        await until("all of them", lambda: len(other.said) == 300)
        same(other.said, [("number", {"n": n}) for n in range(300)])


async def presence() -> None:
    async with opened("anna") as anna:
        name = room()
        mine = await Room(anna, name).join()
        await until("anna", lambda: mine.there() == {"anna": ["new"]})
        async with opened("ben") as ben:
            other = await Room(ben, name).join()
            for each in (mine, other):
                await until("both", lambda each=each: each.there() == {"anna": ["new"], "ben": ["new"]})
            same(await other.ask("mood", {"mood": "glad"}), "ok")
            await until("a change", lambda: mine.there() == {"anna": ["new"], "ben": ["glad"]})
        await until("ben goes", lambda: mine.there() == {"anna": ["new"]})
        changes = [change for change in mine.changes if change[1] == "ben"]
        same(changes, [("+", "ben", ["new"]), ("+", "ben", ["glad"]), ("-", "ben", ["new"]), ("-", "ben", ["glad"])])


async def two_topics() -> None:
    async with opened("anna") as anna, opened("ben") as ben:
        a, b = room(), room()
        mine, other = [await Room(anna, name).join() for name in (a, b)], [await Room(ben, name).join() for name in (a, b)]
        for n, theirs in enumerate(other):
            await theirs.channel.send_broadcast("news", {"n": n})
        await until("both", lambda: mine[0].said and mine[1].said)
        same([each.said for each in mine], [[("news", {"n": 0})], [("news", {"n": 1})]])
        await mine[0].channel.unsubscribe()
        await until("it has left", lambda: (State.CLOSED, None) in mine[0].states)
        await until("the others see it", lambda: other[0].there() == {"ben": ["new"]})
        same(await mine[1].ask("echo", {}), "ok")
        same(await (await Room(anna, a).join()).ask("echo", {}), "ok")


async def crash() -> None:
    async with opened("anna") as anna:
        mine, besides = await Room(anna, room()).join(), await Room(anna, room()).join()
        await mine.push("crash", {})
        await mine.joined(2)
        same([state for state, _ in mine.states], [State.SUBSCRIBED, State.CHANNEL_ERROR, State.SUBSCRIBED])
        same(besides.states, [(State.SUBSCRIBED, None)])
        same(await mine.ask("echo", {}), "ok")


async def stop() -> None:
    async with opened("anna") as anna:
        mine = await Room(anna, room()).join()
        await mine.push("stop", {})
        await until("the end", lambda: mine.states[-1] == (State.CLOSED, None))
        same(anna.is_connected, True)


async def kicked() -> None:
    async with opened("anna") as anna, opened("ben") as ben:
        name = room()
        mine, other = await Room(anna, name).join(), await Room(ben, name).join()
        await other.push("kick", {"user": "anna"})
        await mine.joined(2)
        same(await mine.ask("echo", {}), "ok")
        same(len(other.states), 1)


async def killed() -> None:
    async with opened("anna") as anna, opened("ben") as ben:
        name = room()
        mine, other = await Room(anna, name).join(), await Room(ben, name).join()
        await host_is("kill")
        await until("the loss", lambda: len(mine.states) > 1 and len(other.states) > 1)
        await host_is("start")
        await mine.joined(2)
        await other.joined(2)
        await mine.channel.send_broadcast("news", {"n": 1})
        await until("a broadcast", lambda: other.said)
        await until("both", lambda: mine.there() == {"anna": ["new"], "ben": ["new"]})


main(
    {
        "connects with parameters, joins": connects,
        "authenticates with a token": "it has a parameter of its own for that, and no subprotocol",
        "is refused a socket": refused_socket,
        "is refused a join": refused_join,
        "gets replies: ok, error": replies,
        "gets a late reply": late_reply,
        "times out where no reply comes": timeout,
        "broadcasts to others": broadcasts,
        "keeps the order of many": order,
        "says and hears bytes": "it speaks version 1, which has none",
        "sees who comes, changes and goes": presence,
        "has two topics on one socket, leaves one": two_topics,
        "rejoins after the guest has crashed": crash,
        "takes the end of a channel for one": stop,
        "comes back when it is disconnected": kicked,
        "beats, and stays": "every 15 s at most, which no test waits for",
        "reconnects when the host was killed": killed,
        "polls": "it has WebSockets only",
    }
)
