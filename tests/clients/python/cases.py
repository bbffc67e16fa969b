"""What the two clients share: how cases are run and told, and how one waits."""

import asyncio
import logging
import os
import secrets
import time
import traceback
import urllib.request

HOST = os.environ["HOST"]
PATIENCE_S = 30.0


class Cannot(Exception):
    """The client cannot do it, and why."""


def room() -> str:
    """Rooms of its own for each case: of those who were in another's, some are still leaving."""
    return secrets.token_hex(6)


async def until(what: str, condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"never came: {what}")
        await asyncio.sleep(0.005)


async def host_is(what: str) -> None:
    """`kill` and `start`."""
    url = f"http://{os.environ['CONTROL']}/{what}"
    await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=180).read())


def same(got, expected) -> None:
    if got != expected:
        raise AssertionError(f"got {got!r}, not {expected!r}")


async def _run(cases: dict) -> None:
    for name, case in cases.items():
        began = time.monotonic()
        word, why = "ok", ""
        try:
            if isinstance(case, str):
                raise Cannot(case)
            await asyncio.wait_for(case(), 2 * PATIENCE_S)
        except Cannot as cannot:
            word, why = "cannot", str(cannot)
        except Exception:
            word, why = "FAILED", " ".join(traceback.format_exc().split())
        print(word, name, round(1000 * (time.monotonic() - began)), why, sep="\t", flush=True)


def main(cases: dict) -> None:
    """Runs each in turn; a text in place of a case says why the client cannot."""
    # They log each lost connection, which is what the cases are about.
    logging.disable(logging.CRITICAL)
    asyncio.run(_run(cases))
