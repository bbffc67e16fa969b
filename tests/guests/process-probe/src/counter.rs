//! A number, and a log of all that came.
//!
//! | said | does |
//! |---|---|
//! | `get` | answers the number |
//! | `add N` | adds, answers the number |
//! | `log` | answers what came but calls, a line each: `cast TEXT`, `info TEXT`, `timer ID TEXT`, `published TOPIC ID EVENT TEXT`, `down ID PID REASON`, `exit PID REASON` |
//! | `forget` | empties the log |
//! | `grow BYTES` | the state has so many bytes more |
//! | `later KEY` | the answer comes when somebody says `answer KEY TEXT` or `fail KEY WHY`; also after a sleep |
//! | `waiting` | how many wait |
//!
//! and all of `act.rs`. When it terminates, it writes the reason under `ended:NAME`, or `ended:PID`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use skep_sdk::{
    prelude::*,
    process::{Down, Exit, Reason, Reply, ReplyTo},
};

use crate::{
    act::{act, unknown},
    text::{Begin, first, number, two},
};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counter {
    me: String,
    count: u64,
    #[serde(default)]
    log: Vec<String>,
    #[serde(default)]
    ballast: String,
    #[serde(default)]
    waiting: BTreeMap<String, ReplyTo<String>>,
}

#[skep::process(part)]
impl Counter {
    fn init(begin: Begin, ctx: &mut Ctx) -> Result<Self> {
        let me = ctx.name().unwrap_or(ctx.pid().as_str()).to_owned();
        let (log, ballast, waiting) = (Vec::new(), String::new(), BTreeMap::new());
        let mut counter = Counter { me, count: begin.from, log, ballast, waiting };
        if !begin.say.is_empty() {
            counter.said(&begin.say, ctx)?;
        }
        Ok(counter)
    }

    fn call(&mut self, said: String, ctx: &mut Ctx) -> Result<Reply<String>> {
        if let ("later", key) = first(&said) {
            self.waiting.insert(key.to_owned(), ctx.reply_later());
            return Ok(Reply::Later);
        }
        self.said(&said, ctx).map(Reply::Now)
    }

    fn cast(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
        self.log.push(format!("cast {said}"));
        self.said(&said, ctx).map(drop)
    }

    fn info(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
        self.log.push(format!("info {said}"));
        self.said(&said, ctx).map(drop)
    }

    fn timer(&mut self, said: String, ctx: &mut Ctx) -> Result<()> {
        let id = ctx.timer().map_or(0, |timer| timer.0);
        self.log.push(format!("timer {id} {said}"));
        self.said(&said, ctx).map(drop)
    }

    fn published(&mut self, message: Message) {
        let id = message.id().map_or("-".to_owned(), |id| id.to_string());
        let (topic, event) = (message.topic(), message.event().unwrap_or("-"));
        let text = String::from_utf8_lossy(message.bytes());
        self.log.push(format!("published {topic} {id} {event} {text}"));
    }

    fn down(&mut self, down: Down) {
        self.log.push(format!("down {} {} {}", down.monitor.0, down.pid, down.reason));
    }

    fn exit(&mut self, exit: Exit) {
        self.log.push(format!("exit {} {}", exit.pid, exit.reason));
    }

    fn terminate(&mut self, reason: &Reason) {
        // A store that is away does not keep it from ending.
        let _ = store::set_bytes(&format!("ended:{}", self.me), reason.as_str());
    }

    fn said(&mut self, said: &str, ctx: &mut Ctx) -> Result<String> {
        let (verb, rest) = first(said);
        match verb {
            "get" => {}
            "add" => self.count += number(rest)?,
            "log" => return Ok(self.log.join("\n")),
            "forget" => self.log.clear(),
            "grow" => self.ballast.push_str(&"x".repeat(rest.parse()?)),
            "waiting" => return Ok(self.waiting.len().to_string()),
            "answer" | "fail" => {
                let (key, text) = two(rest)?;
                let reply = self.waiting.remove(key).context(format!("looking for `{key}`"))?;
                if verb == "answer" { reply.send(&text.to_owned())? } else { reply.fail(text)? }
            }
            _ => return act(said, ctx)?.map_or_else(|| unknown(said), Ok),
        }
        Ok(self.count.to_string())
    }
}
