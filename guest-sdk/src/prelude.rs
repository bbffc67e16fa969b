//! `use skep_sdk::prelude::*;` is all that a handler needs.

pub use crate::{
    Bytes, Client, Context, Cookie, Cookies, Error, Event, EventStream, Form, FromRequest, HeaderMap, HeaderName,
    HeaderValue, Html, IntoResponse, Json, Method, Opening, Path, Query, Redirect, Rejection, Request, RequestExt,
    Response, Result, ResultExt, Router, StatusCode, Uri, cache,
    channel::{self, Connected, Connecting, Socket},
    header,
    jobs::{self, Job, JobError, JobResult, JobResultExt},
    json,
    presence::{self, Presence},
    process::{self, Ctx},
    pubsub::{self, Message},
    skep,
    sql::{self, params},
    store, task,
    websocket::{self, WebSocket},
};
