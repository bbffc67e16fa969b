//! `use skep_sdk::prelude::*;` is all that a handler needs.

pub use crate::{
    Bytes, Client, Context, Cookie, Cookies, Error, Form, FromRequest, HeaderMap, HeaderName, HeaderValue, Html,
    IntoResponse, Json, Method, Path, Query, Redirect, Rejection, Request, RequestExt, Response, Result, ResultExt,
    Router, StatusCode, Uri, cache, header, json, skep,
};
