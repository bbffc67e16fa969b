//! Answers that go on, one JSON object a line.

use std::ops::ControlFlow;

use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use super::Client;

impl Client {
    /// Hands over each line, until `each` wants no more or the node ends it.
    pub(super) async fn follow<T: DeserializeOwned>(
        &self,
        path: &str,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        let mut body = self.send(Method::GET, path, Bytes::new()).await?.into_body();
        let mut pending = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.context("the node ended")?.into_data() else { continue };
            // What was looked at once has no line's end.
            let mut looked_at = pending.len();
            pending.extend_from_slice(&data);
            while let Some(length) = pending.iter().skip(looked_at).position(|&byte| byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=looked_at + length).collect();
                looked_at = 0;
                let line = serde_json::from_slice(&line);
                if each(line.context("the node's answer is not what this version understands")?).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
